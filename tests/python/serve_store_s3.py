"""Serves moto's S3 with one locked bucket and users by packaging/store, and ends with the process that started it.

Arguments: the folder of the policies. Prints one line of JSON: the origin and each user's keys. Signatures and rights are
checked by moto, from then on. Then each line of standard input is a task, whose outcome is a line of JSON:

    rights      what each user may do with keys of its own and of others
    govern      has the bucket's lock be one that the right to bypass it opens
    versions    each key, how many versions it has, and how many of these could be deleted by the bucket's owner
    down, up    stops serving, serves again at the same place with what was stored
"""

import ctypes
import json
import os
import pathlib
import signal
import sys

PR_SET_PDEATHSIG = 1

parent = os.getppid()
ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() != parent:
    sys.exit("the starting process is gone")

# Without checks until the users exist; read when moto is imported.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "100000"

import boto3  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402
from moto import settings  # noqa: E402
from moto.s3.models import s3_backends  # noqa: E402
from moto.s3.responses import ACTION_MAP  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

policies = pathlib.Path(sys.argv[1])
REGION, BUCKET = "eu-central-1", "acme-audit"
USERS = {
    "writer": ["writer-any-chain.json"],
    "one_chain": ["writer.json"],
    "seer": ["writer-any-chain.json", "lock-seen.json"],
    "claimant": ["claimant.json"],
    "reader": ["reader.json"],
    "compactor": ["compactor.json"],
    "eraser": ["eraser.json"],
}

# moto takes the question for a bucket's lock for one for its objects; its right is one of its own.
# Source: Service Authorization Reference, "Actions defined by Amazon S3".
ACTION_MAP["BUCKET"]["GET"]["object-lock"] = "GetBucketObjectLockConfiguration"

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
origin = f"http://{host}:{port}"


def client(service, key=None):
    key = key or owner
    return boto3.client(
        service,
        endpoint_url=origin,
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def policy(name):
    text = (policies / name).read_text()
    for word, meant in [
        ("BUCKET", BUCKET),
        ("PREFIX", "ice"),
        ("ORG", "default"),
        # moto knows no policy variables: a person who asks for one chain's keys puts it in.
        ("${aws:PrincipalTag/icecore-chain}", "own"),
    ]:
        text = text.replace(word, meant)
    return text


def may(act):
    try:
        act()
        return True
    except ClientError as error:
        code = error.response["Error"]["Code"]
        # What may be asked for and is not there.
        return code in ("NoSuchKey", "PreconditionFailed") or (code != "AccessDenied" and code)


owner = {"AccessKeyId": "setup", "SecretAccessKey": "setup"}
iam = client("iam")
iam.create_user(UserName="owner")
everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
iam.put_user_policy(UserName="owner", PolicyName="all", PolicyDocument=json.dumps(everything))
keys = {}
for user, files in USERS.items():
    iam.create_user(UserName=user)
    for file in files:
        iam.put_user_policy(UserName=user, PolicyName=file, PolicyDocument=policy(file))
    keys[user] = iam.create_access_key(UserName=user)["AccessKey"]
setup = client("s3")
setup.create_bucket(
    Bucket=BUCKET,
    ObjectLockEnabledForBucket=True,
    CreateBucketConfiguration={"LocationConstraint": REGION},
)
lock = json.loads((policies / "object-lock.json").read_text())
setup.put_object_lock_configuration(Bucket=BUCKET, ObjectLockConfiguration=lock)
setup.put_bucket_lifecycle_configuration(
    Bucket=BUCKET, LifecycleConfiguration=json.loads(policy("lifecycle.json"))
)
owner = iam.create_access_key(UserName="owner")["AccessKey"]
settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
said = {
    user: {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]} for user, key in keys.items()
}
print(json.dumps({"origin": origin, "users": said}), flush=True)


def rights():
    places = {
        "own": "ice/default/v1/t0/own/statements/dt=2026-11-27/x",
        "other": "ice/default/v1/t0/other/statements/dt=2026-11-27/x",
        "manifest": "ice/default/v1/chains/other/m-1",
        "curated": "ice/default/v1/c/t0/statements/dt=2026-11-27/x",
        "rows": "ice/default/v1/t2/own/x",
        "wrapped": "ice/default/v1/keys/x.json",
        "claim": "ice/identity/claims/x.json",
        "org": "ice/another/v1/t0/own/x",
    }
    told = {}
    for user, key in keys.items():
        s3 = client("s3", key)
        may_do = {"list": may(lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix="ice/default/"))}
        for name, place in places.items():
            at = {"Bucket": BUCKET, "Key": place}
            acts = {
                "put": lambda: s3.put_object(Body=b"x", IfNoneMatch="*", **at),
                "get": lambda: s3.get_object(**at),
                "delete": lambda: s3.delete_object(**at),
            }
            may_do[name] = [act for act, how in acts.items() if may(how) is True]
        told[user] = may_do
    return told


def versions():
    s3, told = client("s3"), {}
    for version in s3.list_object_versions(Bucket=BUCKET).get("Versions", []):
        at = {"Bucket": BUCKET, "Key": version["Key"], "VersionId": version["VersionId"]}
        deleted = may(lambda: s3.delete_object(**at)) is True
        count, gone = told.get(version["Key"], (0, 0))
        told[version["Key"]] = (count + 1, gone + deleted)
    return told


def govern():
    # By its backend: moto takes a lock of an empty bucket alone, S3 of any.
    for account in s3_backends.values():
        for backend in account.values():
            for bucket in backend.buckets.values():
                bucket.default_lock_mode = "GOVERNANCE"
    return "done"


for line in sys.stdin:
    task = line.strip()
    if task == "down":
        server.stop()
        outcome = "done"
    elif task == "up":
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        server.start()
        outcome = "done"
    else:
        outcome = {"rights": rights, "versions": versions, "govern": govern}[task]()
    print(json.dumps(outcome), flush=True)
