// The console: its parts, and the API key where one is wanted.

import { useKey } from "./api.js";
import { refresh, watchModel } from "./model.js";
import { at } from "./page.js";
import { watchPicker } from "./picker.js";
import { classify, watchProduct } from "./product.js";
import { watchTable } from "./table.js";

document.addEventListener("key-wanted", () => { at("key").hidden = false; });
at("key").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(event.target.elements.key.value.trim());
  event.target.hidden = true;
  event.target.reset();
  refresh();
  classify();
});
watchPicker();
watchProduct();
watchTable();
watchModel();
