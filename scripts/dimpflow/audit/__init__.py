"""What a job has done, told in counts: status, tables, balance. Never in values."""
