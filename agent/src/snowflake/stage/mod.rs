//! Stages as answers to PUT and GET open them: what opens a stage's storage stays here, and the agent gets in its place a
//! stage at the account's own host, which is good in one session.
//!
//! Drivers are told of a stage of Google Cloud's with an access token and an endpoint: that is one plain PUT, GET or HEAD
//! a file, without encryption by the client (Python connector 4, `gcs_storage_client.py`; Node, `gcs_util.js`). A presigned
//! address is not used: drivers send the PUT again for each file to have one. The name of the stage is its token and no
//! part of the path: a driver that renews a token keeps the path.

mod cipher;
mod storage;

pub use cipher::{CipherError, Envelope, Material, Opener, Sealer, sealed_bytes};
pub(crate) use storage::Opens;
pub use storage::{Beside, Storage};

use std::collections::HashMap;

use super::chunks::ChunkId;
use super::json::Object;
use super::secret::Secret;

/// Where the agent asks for files: one folder, which drivers take for a bucket. gosnowflake escapes the slashes of all that
/// comes behind it.
pub const FILES_PATH: &str = "/icecore-files/";

/// Most files of one GET.
const FILES_MAX: usize = 50_000;

/// Members of an answer that open a stage's storage, or decrypt what is there.
///
/// Source: protocol reference 4.5; gosnowflake `query.go`, which reads `uploadInfo` too.
const KEYS: [&str; 4] = [
    "stageInfo",
    "uploadInfo",
    "presignedUrls",
    "encryptionMaterial",
];

/// Members of such an answer that drivers get as they came; all others may be keys.
const TOLD: [&str; 22] = [
    "command",
    "src_locations",
    "localLocation",
    "parallel",
    "threshold",
    "autoCompress",
    "overwrite",
    "sourceCompression",
    "clientShowEncryptionParameter",
    "operation",
    "kind",
    "queryId",
    "sqlState",
    "statementTypeId",
    "version",
    "finalDatabaseName",
    "finalSchemaName",
    "finalWarehouseName",
    "finalRoleName",
    "numberOfBinds",
    "sendResultTime",
    "parameters",
];

/// Why an answer to PUT or GET is not carried; says nothing of a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// The answer is about other files than the statement.
    #[error("`{0}` is not what the statement names, and drivers trust it")]
    OtherFiles(&'static str),
    /// The answer is of another command.
    #[error("`command` is not what the statement is")]
    OtherCommand,
    /// The stage is of a kind that is not carried.
    #[error(
        "`{0}` is not as it is for internal stages on S3, Azure or Google Cloud with a token, which are carried; \
         use such a stage, or ask whoever runs this host to move the files"
    )]
    Storage(&'static str),
    /// There are more files than are carried at once.
    #[error(
        "the statement moves {0} files, more than {FILES_MAX}; name fewer by PATTERN or a path"
    )]
    TooMany(usize),
    /// The encryption is not as drivers know it.
    #[error("`encryptionMaterial` is not one key for each file")]
    Material,
    /// The answer could not be written.
    #[error("the answer could not be written")]
    Write,
}

/// Finds what opens a stage's storage in an answer's `data`, however its letters are cased: Go's parser folds them.
pub(super) fn key_in(data: &Object) -> Option<&'static str> {
    let has_content = |key: &str| data.has_content(key);
    data.members()
        .filter(|(name, _)| has_content(name))
        .find_map(|(name, _)| {
            let same = |key: &&&str| key.eq_ignore_ascii_case(name);
            KEYS.iter().find(same).copied()
        })
}

/// What a statement moves, as its text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moves {
    /// PUT: these files of the client, a path whose last part may be a pattern.
    Put(String),
    /// GET: into this folder of the client.
    Get(String),
}

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the stage.
    Put,
    /// From the stage.
    Get,
}

impl Direction {
    /// Gives the name that the record uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
        }
    }
}

/// A stage as an answer opens it for the files of one statement.
#[derive(Clone, Debug)]
pub struct OpenStage {
    storage: Storage,
    files: Files,
}

#[derive(Clone, Debug)]
enum Files {
    /// Those that fit a pattern, each encrypted if there is a key.
    Fitting(String, Option<Material>),
    /// Those of a list, each decrypted if there is a key.
    Listed(HashMap<String, Option<Material>>),
}

/// One file of a stage.
#[derive(Clone, Debug)]
pub struct StageFile {
    /// Its name, relative to the stage or the path in it that the statement names.
    pub name: String,
    /// What wraps its key, if it is encrypted.
    pub material: Option<Material>,
}

/// A stage and the token that the agent shows for it.
#[derive(Clone, Debug)]
pub struct NamedStage {
    /// The token.
    pub id: ChunkId,
    /// The stage.
    pub stage: OpenStage,
}

impl OpenStage {
    /// Tells where the stage lies.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Tells which way its files go.
    #[must_use]
    pub fn direction(&self) -> Direction {
        match self.files {
            Files::Fitting(..) => Direction::Put,
            Files::Listed(_) => Direction::Get,
        }
    }

    /// Tells how many files are listed: what holding it costs.
    #[must_use]
    pub fn listed(&self) -> usize {
        match &self.files {
            Files::Fitting(..) => 0,
            Files::Listed(list) => list.len(),
        }
    }

    /// Finds a file that the statement moves.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<StageFile> {
        let material = match &self.files {
            Files::Fitting(pattern, material) => {
                let is_plain = !name.is_empty()
                    && name.len() <= 1024
                    && !matches!(name, "." | "..")
                    && !name.contains(['/', '\\'])
                    && !name.chars().any(char::is_control);
                // Drivers add what they compress by.
                let bare = name.strip_suffix(".gz");
                let fits = fits(pattern, name) || bare.is_some_and(|bare| fits(pattern, bare));
                (is_plain && fits).then_some(material)?
            }
            Files::Listed(list) => list.get(name)?,
        };
        Some(StageFile {
            name: name.to_owned(),
            material: material.clone(),
        })
    }
}

/// Opens an answer's stage: gives what drivers get of its `data` without `stageInfo`, that `stageInfo`, and the stage.
///
/// # Errors
/// See `StageError`: nothing of the answer may then leave.
pub(super) fn name(
    data: &Object,
    moves: &Moves,
    host: &str,
) -> Result<(Object, Object, NamedStage), StageError> {
    let info: Object = data
        .read_as("stageInfo")
        .ok_or(StageError::Storage("stageInfo"))?;
    let storage = Storage::read(&info).map_err(StageError::Storage)?;
    let command: Option<String> = data.read_as("command");
    let locations: Vec<String> = data
        .read_as("src_locations")
        .ok_or(StageError::OtherFiles("src_locations"))?;
    let files = match moves {
        Moves::Put(local) => {
            if command.as_deref() != Some("UPLOAD") {
                return Err(StageError::OtherCommand);
            }
            if locations.as_slice() != [local.as_str()] {
                return Err(StageError::OtherFiles("src_locations"));
            }
            let pattern = local.rsplit(['/', '\\']).next().unwrap_or(local);
            let material: Option<Object> = data.read_as("encryptionMaterial");
            if material.is_none() && data.has_content("encryptionMaterial") {
                return Err(StageError::Material);
            }
            let material = material.as_ref().map(read_material).transpose()?;
            Files::Fitting(pattern.to_owned(), material)
        }
        Moves::Get(local) => {
            if command.as_deref() != Some("DOWNLOAD") {
                return Err(StageError::OtherCommand);
            }
            let told: Option<String> = data.read_as("localLocation");
            let told = told.as_deref().map(|told| told.trim_end_matches('/'));
            if told != Some(local.trim_end_matches('/')) {
                return Err(StageError::OtherFiles("localLocation"));
            }
            if locations.len() > FILES_MAX {
                return Err(StageError::TooMany(locations.len()));
            }
            if !locations.iter().all(|name| stays_inside(name)) {
                return Err(StageError::OtherFiles("src_locations"));
            }
            let materials: Vec<Option<Object>> =
                data.read_as("encryptionMaterial").unwrap_or_default();
            let is_told = data.has_content("encryptionMaterial");
            if is_told && materials.len() != locations.len() {
                return Err(StageError::Material);
            }
            let materials = materials
                .iter()
                .map(Option::as_ref)
                .chain(std::iter::repeat(None));
            let listed = locations.into_iter().zip(materials);
            let listed: Result<HashMap<_, _>, StageError> = listed
                .map(|(name, material)| {
                    let name = name.trim_start_matches('/').to_owned();
                    Ok((name, material.map(read_material).transpose()?))
                })
                .collect();
            Files::Listed(listed?)
        }
    };
    let id = ChunkId::mint();
    let mut told = Object::default();
    for (key, value) in data.members().filter(|(key, _)| TOLD.contains(key)) {
        told.set(key, value).map_err(|_| StageError::Write)?;
    }
    let own = own_info(host, &id).map_err(|_| StageError::Write)?;
    let stage = OpenStage { storage, files };
    Ok((told, own, NamedStage { id, stage }))
}

/// Writes the `stageInfo` that drivers get.
fn own_info(host: &str, id: &ChunkId) -> Result<Object, serde_json::Error> {
    let bucket = FILES_PATH.trim_start_matches('/');
    let value = serde_json::json!({
        "locationType": "GCS", "location": bucket, "path": "", "region": "icecore", "storageAccount": null,
        "endPoint": host, "isClientSideEncrypted": false, "presignedUrl": null, "useS3RegionalUrl": false,
        "useRegionalUrl": false, "useVirtualUrl": false, "credExpiryTime": null,
        "creds": { "GCS_ACCESS_TOKEN": id.to_string() },
    });
    Object::read(value.to_string().as_bytes())
}

fn read_material(material: &Object) -> Result<Material, StageError> {
    let smk_id = material.raw("smkId").map(|raw| raw.get().trim_matches('"'));
    let read = || {
        Some(Material {
            master: Secret::new(material.read_as("queryStageMasterKey")?),
            query_id: material.read_as("queryId")?,
            smk_id: smk_id?.to_owned(),
        })
    };
    read().ok_or(StageError::Material)
}

/// Tells whether drivers that join a name to a folder stay below it.
fn stays_inside(name: &str) -> bool {
    !name.is_empty()
        && !name.contains('\\')
        && !name.chars().any(char::is_control)
        && name.split('/').all(|part| part != "..")
}

/// Tells whether a name fits a pattern of drivers': `*` is any text, `?` one letter.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    // The places in the pattern that can be reached by the letters so far.
    let after_stars = |reached: &mut Vec<bool>| {
        for (place, letter) in pattern.iter().enumerate() {
            if *letter == '*'
                && reached.get(place) == Some(&true)
                && let Some(next) = reached.get_mut(place + 1)
            {
                *next = true;
            }
        }
    };
    let mut reached = vec![false; pattern.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    after_stars(&mut reached);
    for letter in name {
        let mut next = vec![false; pattern.len() + 1];
        for (place, wanted) in pattern.iter().enumerate() {
            let to = match wanted {
                '*' => place,
                wanted if *wanted == '?' || *wanted == letter => place + 1,
                _ => continue,
            };
            if reached.get(place) == Some(&true)
                && let Some(next) = next.get_mut(to)
            {
                *next = true;
            }
        }
        after_stars(&mut next);
        reached = next;
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let data = Object::read(text.as_bytes()).unwrap();
        assert_eq!(key_in(&data), expected, "{text}");
    }

    #[test]
    fn a_stage_key_is_found_by_any_of_its_names() {
        check(r#"{"stageInfo":{"creds":{}}}"#, Some("stageInfo"));
        check(r#"{"a":1,"STAGEINFO":{"creds":{}}}"#, Some("stageInfo"));
        check(
            r#"{"stageInfo":null,"uploadInfo":{"a":1}}"#,
            Some("uploadInfo"),
        );
        check(r#"{"presignedUrls":["https://b"]}"#, Some("presignedUrls"));
        check(
            r#"{"encryptionMaterial":[{"queryStageMasterKey":"k"}]}"#,
            Some("encryptionMaterial"),
        );
        check(
            r#"{"stageInfo":null,"presignedUrls":[],"rowset":[["stageInfo"]]}"#,
            None,
        );
    }

    const HOST: &str = "acme.snowflakecomputing.com";

    fn answer(part: &str) -> String {
        format!(
            r#"{{{part},"uploadInfo":{{"creds":"CANARY"}},"new":"CANARY","parallel":4,"queryId":"q","stageInfo":{{"locationType":"S3","location":"b/stages/x/","region":"us-west-2","endPoint":null,"creds":{{"AWS_KEY_ID":"ID","AWS_SECRET_KEY":"CANARY","AWS_TOKEN":"CANARY"}}}}}}"#
        )
    }

    fn named(text: &str, moves: &Moves) -> Result<(String, NamedStage), StageError> {
        let data = Object::read(text.as_bytes()).unwrap();
        let (told, info, named) = name(&data, moves, HOST)?;
        let write = |object: &Object| String::from_utf8(object.write().unwrap()).unwrap();
        assert!(!format!("{named:?}").contains("CANARY"), "{named:?}");
        Ok((write(&told) + &write(&info), named))
    }

    const MATERIAL: &str =
        r#"{"queryStageMasterKey":"CANARY","queryId":"q","smkId":9007199254740993}"#;

    #[test]
    fn a_put_gets_a_stage_of_ours_and_no_key() {
        let part = format!(
            r#""command":"UPLOAD","src_locations":["/tmp/a*.csv"],"encryptionMaterial":{MATERIAL}"#
        );
        let moves = Moves::Put("/tmp/a*.csv".to_owned());
        let (told, named) = named(&answer(&part), &moves).unwrap();
        assert!(!told.contains("CANARY"), "{told}");
        assert!(told.starts_with(
            r#"{"command":"UPLOAD","src_locations":["/tmp/a*.csv"],"parallel":4,"queryId":"q"}"#
        ));
        assert!(
            told.contains(&format!(r#""GCS_ACCESS_TOKEN":"{}""#, named.id)),
            "{told}"
        );
        let stage = &named.stage;
        assert_eq!(stage.storage().host(), "b.s3.us-west-2.amazonaws.com");
        assert_eq!(stage.storage().path("a b.csv"), "/stages/x/a%20b.csv");
        for name in ["a1.csv", "a.csv.gz"] {
            assert!(stage.find(name).unwrap().material.is_some(), "{name}");
        }
        for name in ["b.csv", "a/../b.csv", "a1.csv.zst", "", "..", "a\n.csv"] {
            assert!(stage.find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_get_gives_the_files_of_its_list_alone() {
        let part = format!(
            r#""command":"DOWNLOAD","localLocation":"/tmp/out","src_locations":["in/a.csv","b.csv"],"encryptionMaterial":[{MATERIAL},null]"#
        );
        let moves = Moves::Get("/tmp/out/".to_owned());
        let (told, named) = named(&answer(&part), &moves).unwrap();
        assert!(!told.contains("CANARY"), "{told}");
        let find = |name: &str| named.stage.find(name).map(|file| file.material.is_some());
        assert_eq!(find("in/a.csv"), Some(true));
        assert_eq!(find("b.csv"), Some(false));
        assert_eq!(find("c.csv"), None);
    }

    #[test]
    fn an_answer_about_other_files_is_not_carried() {
        let put = |local: &str| Moves::Put(local.to_owned());
        let get = |local: &str| Moves::Get(local.to_owned());
        let upload = |local: &str| format!(r#""command":"UPLOAD","src_locations":["{local}"]"#);
        let download = |local: &str, name: &str| {
            format!(r#""command":"DOWNLOAD","localLocation":"{local}","src_locations":["{name}"]"#)
        };
        for (part, moves, expected) in [
            (
                upload("/etc/shadow"),
                put("/tmp/a"),
                StageError::OtherFiles("src_locations"),
            ),
            (upload("/tmp/a"), get("/tmp/a"), StageError::OtherCommand),
            (download("/tmp", "a"), put("/tmp"), StageError::OtherCommand),
            (
                download("/root/.ssh", "a"),
                get("/tmp"),
                StageError::OtherFiles("localLocation"),
            ),
            (
                download("/tmp", "../a"),
                get("/tmp"),
                StageError::OtherFiles("src_locations"),
            ),
        ] {
            assert_eq!(
                named(&answer(&part), &moves).map(drop),
                Err(expected),
                "{part}"
            );
        }
        let local = answer(&upload("/tmp/a")).replace("\"S3\"", "\"LOCAL_FS\"");
        let moves = put("/tmp/a");
        assert_eq!(
            named(&local, &moves).map(drop),
            Err(StageError::Storage("locationType"))
        );
    }
}
