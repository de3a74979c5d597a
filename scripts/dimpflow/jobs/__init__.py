"""Looking after jobs: which there are, how far they are, their logs, and their removal. Nobody here starts or stops one."""
