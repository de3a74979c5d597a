"""The fast way: all rules that are independent of each other in one compiled walk over typed objects."""
