"""Serves a folder's files as a bucket of S3, played by moto, and ends with the process that started it.

serve_s3.py BUCKET PREFIX FOLDER prints its address when all is there. Any key pair counts.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

parent = os.getppid()
ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() != parent:
    sys.exit("the starting process is gone")

import boto3  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

bucket, prefix, folder = sys.argv[1:]
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
origin = f"http://{host}:{port}"
s3 = boto3.client(
    "s3", endpoint_url=origin, region_name="us-east-1", aws_access_key_id="setup", aws_secret_access_key="setup"
)
s3.create_bucket(Bucket=bucket)
for at, _, names in os.walk(folder):
    for name in names:
        path = os.path.join(at, name)
        s3.upload_file(path, bucket, f"{prefix}/{os.path.relpath(path, folder)}")
print(origin, flush=True)
signal.pause()
