//! What no emulator enforces of `packaging/store` is read: no writer has a right but to create.

use std::fs;
use std::path::PathBuf;

use icecore_tests::python::folder;
use serde_json::{Value, json};

fn read(path: &str) -> Value {
    let file = folder("../packaging/store").join(path);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file:?}: {error}"))
}

fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().flat_map(words).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

#[test]
fn every_file_is_json_and_named_in_the_readme() {
    let readme = fs::read_to_string(folder("../packaging/store/README.md")).unwrap();
    for cloud in ["s3", "gcs", "azure"] {
        let files = fs::read_dir(folder("../packaging/store").join(cloud)).unwrap();
        let files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() > 3, "{files:?}");
        for file in files {
            let name = format!("{cloud}/{}", file.file_name().unwrap().to_str().unwrap());
            drop(read(&name));
            assert!(readme.contains(&format!("`{name}`")), "{name}");
        }
    }
}

#[test]
fn no_writer_may_get_list_or_delete() {
    for file in ["s3/writer.json", "s3/writer-any-chain.json"] {
        for statement in read(file)["Statement"].as_array().unwrap() {
            assert_eq!(statement["Effect"], "Allow", "{file}");
            assert_eq!(words(&statement["Action"]), ["s3:PutObject"], "{file}");
            for resource in words(&statement["Resource"]) {
                let rest = resource
                    .strip_prefix("arn:aws:s3:::BUCKET/PREFIX/")
                    .unwrap();
                assert!(
                    rest.starts_with("ORG/v1/") || rest == "probes/*",
                    "{resource}"
                );
                assert!(!rest.starts_with("ORG/v1/*"), "{resource}");
            }
        }
    }
    let role = read("gcs/writer-role.json");
    assert_eq!(
        role["includedPermissions"],
        json!(["storage.objects.create"])
    );
    let role = read("azure/writer-role.json");
    let add = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action";
    assert_eq!(
        (&role["Actions"], &role["DataActions"]),
        (&json!([]), &json!([add]))
    );
    // Each binding of a writer's role says where.
    for binding in read("gcs/iam-policy.json")["bindings"].as_array().unwrap() {
        let condition = binding["condition"]["expression"].as_str().unwrap();
        assert!(condition.contains("/objects/PREFIX/ORG/v1/"), "{binding}");
    }
    let condition = read("azure/writer-assignment.json")["condition"].to_string();
    assert!(
        condition.contains("StringLike 'PREFIX/ORG/v1/*'"),
        "{condition}"
    );
}

#[test]
fn the_mailbox_creates_and_reads_requests_for_approvals_and_deletes_none() {
    let statements = read("s3/mailbox.json")["Statement"].clone();
    let [documents, list, _orgs] = &statements.as_array().unwrap()[..] else {
        panic!("{statements}");
    };
    assert_eq!(
        words(&documents["Action"]),
        ["s3:GetObject", "s3:PutObject"]
    );
    let only = "arn:aws:s3:::BUCKET/PREFIX/ORG/v1/approvals/*";
    assert_eq!(documents["Resource"], only);
    let below = &list["Condition"]["StringLike"]["s3:prefix"];
    assert_eq!(below, "PREFIX/ORG/v1/approvals/*");
    for file in ["gcs/mailbox-role.json", "azure/mailbox-role.json"] {
        let role = read(file).to_string();
        assert!(
            !role.contains("delete\"") && !role.contains("write\""),
            "{role}"
        );
    }
    let condition = read("azure/mailbox-assignment.json")["condition"].to_string();
    assert!(
        condition.ends_with("StringLike 'PREFIX/ORG/v1/approvals/*'))\""),
        "{condition}"
    );
}

#[test]
fn the_bucket_forces_tls_and_that_each_put_creates() {
    let policy = read("s3/bucket-policy.json");
    let statements = policy["Statement"].as_array().unwrap();
    let of = |sid: &str| statements.iter().find(|one| one["Sid"] == sid).unwrap();
    let tls = of("OnlyByTls");
    assert_eq!(
        (&tls["Effect"], &tls["Principal"], &tls["Action"]),
        (&json!("Deny"), &json!("*"), &json!("s3:*"))
    );
    assert_eq!(
        tls["Condition"],
        json!({ "Bool": { "aws:SecureTransport": "false" } })
    );
    let once = of("NoKeyIsWrittenTwice");
    assert_eq!(
        (&once["Effect"], &once["Action"]),
        (&json!("Deny"), &json!("s3:PutObject"))
    );
    assert_eq!(once["Resource"], "arn:aws:s3:::BUCKET/*");
    // Parts of an upload are exempt, its completion is not.
    let expected = json!({
        "Null": { "s3:if-none-match": "true" },
        "Bool": { "s3:ObjectCreationOperation": "true" },
    });
    assert_eq!(once["Condition"], expected);
}

#[test]
fn an_eraser_deletes_wrapped_keys_alone() {
    for statement in read("s3/eraser.json")["Statement"].as_array().unwrap() {
        let deletes = words(&statement["Action"])
            .iter()
            .any(|act| act.contains("Delete"));
        let is_keys = words(&statement["Resource"]) == ["arn:aws:s3:::BUCKET/PREFIX/ORG/v1/keys/*"];
        assert!(!deletes || is_keys, "{statement}");
    }
    let bindings = read("gcs/iam-policy.json");
    let erases = |one: &&Value| one["role"].as_str().unwrap().ends_with("icecoreEraser");
    let eraser = bindings["bindings"]
        .as_array()
        .unwrap()
        .iter()
        .find(erases)
        .unwrap();
    let only = "resource.name.startsWith('projects/_/buckets/BUCKET/objects/PREFIX/ORG/v1/keys/')";
    assert_eq!(eraser["condition"]["expression"], only);
    let condition = read("azure/eraser-assignment.json")["condition"].to_string();
    assert!(
        condition.ends_with("StringLike 'PREFIX/ORG/v1/keys/*'))\""),
        "{condition}"
    );
}
