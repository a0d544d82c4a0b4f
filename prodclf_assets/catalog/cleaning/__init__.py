"""From raw rows to the products that training sees: which count today, what people said of them, duplicates settled."""
