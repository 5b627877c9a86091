"""Take in what students handed in, from the zips of learning platforms or from folders."""
