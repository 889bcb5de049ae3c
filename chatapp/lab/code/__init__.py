"""Copy as code: a reply, a column or a whole grid as a program that needs transformers alone."""
