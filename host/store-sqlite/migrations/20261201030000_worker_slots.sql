-- How many tries a worker runs at once; none of other processes.
ALTER TABLE processes ADD COLUMN slots INTEGER;
