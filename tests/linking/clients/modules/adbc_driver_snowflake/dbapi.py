"""ADBC's surface that scripts use."""

from snowflake.connector import connect
