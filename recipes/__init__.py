"""Recipes shipped with gdfq-export, as package data; `gdfq_export.recipe` reads them. README.md decodes the names."""
