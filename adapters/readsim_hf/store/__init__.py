"""A teacher's distributions, asked for once: a folder of parquet shards that any number of runs read."""
