"""The way back from pseudonyms to originals: for a reason, on record, or not at all."""
