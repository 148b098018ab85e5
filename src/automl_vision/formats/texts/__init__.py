"""Label files of one text per image, whose columns have no names."""
