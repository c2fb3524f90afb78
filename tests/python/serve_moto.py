"""Serves moto, a stand-in for AWS, with one secret, and ends with the process that started it.

Prints one line of JSON: its address and the keys of a user that may read the secret and do nothing else. Each line of
standard input is the secret's next value; `done` is printed when it counts. Signatures and rights are checked by moto.
"""

import ctypes
import json
import os
import signal
import sys
import uuid

PR_SET_PDEATHSIG = 1

parent = os.getppid()
ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() != parent:
    sys.exit("the starting process is gone")

# Without checks until the user exists; read when moto is imported.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "1000"

import boto3  # noqa: E402
from moto import settings  # noqa: E402
from moto.secretsmanager.models import secretsmanager_backends  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

name, value = sys.argv[1:]
REGION = "eu-central-1"
RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}],
}

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
origin = f"http://{host}:{port}"


def client(service):
    return boto3.client(
        service,
        endpoint_url=origin,
        region_name=REGION,
        aws_access_key_id="setup",
        aws_secret_access_key="setup",
    )


client("secretsmanager").create_secret(Name=name, SecretString=json.dumps({"token": value}))
iam = client("iam")
iam.create_user(UserName="daemon")
iam.put_user_policy(UserName="daemon", PolicyName="reads", PolicyDocument=json.dumps(RIGHTS))
key = iam.create_access_key(UserName="daemon")["AccessKey"]
settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
said = {"origin": origin, "id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
print(json.dumps(said), flush=True)

for line in sys.stdin:
    backend = secretsmanager_backends["123456789012"][REGION]
    backend.put_secret_value(
        secret_id=name,
        secret_string=json.dumps({"token": line.rstrip("\n")}),
        secret_binary=None,
        client_request_token=uuid.uuid4().hex,
        version_stages=["AWSCURRENT"],
    )
    print("done", flush=True)
