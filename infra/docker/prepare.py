"""Make what the services of one installation share, unless it is there: the bucket, and MLflow's database.

`python prepare.py [--bucket NAME] [--database NAME]`. The S3 store is that of the AWS variables, the server that of libpq's
(PGHOST, PGUSER, PGPASSWORD; the database that is connected to first is PGDATABASE).
"""

import argparse

import boto3
import psycopg2
from botocore.exceptions import ClientError
from psycopg2 import errors, sql

THERE = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


def make_bucket(name: str) -> None:
    """Make a bucket.

    Raises:
        ClientError: the store refuses, for another reason than that the bucket is there.
    """
    try:
        boto3.client("s3").create_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in THERE:
            raise
    print(f"bucket {name} is there")


def make_database(name: str) -> None:
    """Make a database.

    Raises:
        OperationalError: the server cannot be reached.
    """
    connection = psycopg2.connect("")
    # CREATE DATABASE cannot stand in a transaction.
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except errors.DuplicateDatabase:
        pass
    finally:
        connection.close()
    print(f"database {name} is there")


def main() -> None:
    """Make what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bucket")
    parser.add_argument("--database")
    arguments = parser.parse_args()
    if arguments.bucket:
        make_bucket(arguments.bucket)
    if arguments.database:
        make_database(arguments.database)


if __name__ == "__main__":
    main()
