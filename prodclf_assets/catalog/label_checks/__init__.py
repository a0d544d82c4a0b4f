"""A look at the labels of a clean catalogue before anything is trained: what a person would find wrong with them at a glance."""
