//! How DuckDB comes to a store that is not on this host. Pure.

use super::text;

/// Variables that say where S3 is, the most particular first.
const ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];

/// Variables that say in which region.
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// Gives SQL that lets DuckDB read the store at `url`, by what the environment says; none is needed for a folder.
///
/// No key is ever in it: SQL is shown, kept and sent on. DuckDB's httpfs takes the keys of its own environment, and where
/// there are none its extension aws asks the cloud or the user's profile.
#[must_use]
pub fn reach(url: &str, environment: impl Fn(&str) -> Option<String>) -> String {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    match url.split_once("://").map_or("file", |(scheme, _)| scheme) {
        "s3" => s3(url, set),
        "gs" => told(
            "DuckDB reads gs:// with HMAC keys, by LOAD httpfs and CREATE SECRET (TYPE gcs, KEY_ID ..., SECRET ...)",
        ),
        "az" | "abfss" => told(
            "DuckDB reads Azure by LOAD azure and CREATE SECRET (TYPE azure, PROVIDER credential_chain, ACCOUNT_NAME ...)",
        ),
        _ => String::new(),
    }
}

fn told(how: &str) -> String {
    format!("-- {how}; or copy days by `icecore pull`.\n")
}

fn s3(url: &str, set: impl Fn(&str) -> Option<String>) -> String {
    let mut options = vec![
        "TYPE s3".to_owned(),
        format!("SCOPE {}", text(url.trim_end_matches('/'))),
    ];
    let has_keys = set("AWS_ACCESS_KEY_ID").is_some();
    if !has_keys {
        options.push("PROVIDER credential_chain".to_owned());
    }
    if let Some(region) = REGIONS.into_iter().find_map(&set) {
        options.push(format!("REGION {}", text(&region)));
    }
    if let Some(endpoint) = ENDPOINTS.into_iter().find_map(&set) {
        let (scheme, host) = endpoint.split_once("://").unwrap_or(("https", &endpoint));
        options.push(format!("ENDPOINT {}", text(host.trim_end_matches('/'))));
        options.push(format!("USE_SSL {}", scheme != "http"));
        let is_virtual =
            set("AWS_VIRTUAL_HOSTED_STYLE_REQUEST").is_some_and(|value| value == "true");
        if !is_virtual {
            options.push("URL_STYLE 'path'".to_owned());
        }
    }
    let aws = if has_keys { "" } else { "LOAD aws;\n" };
    format!(
        "-- Once for each installation: INSTALL httpfs, or load it from the wheel duckdb-extension-httpfs.\n\
         LOAD httpfs;\n{aws}CREATE OR REPLACE SECRET icecore ({});\n",
        options.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, environment: &[(&str, &str)], expected: &str) {
        let of = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let sql = reach(url, of);
        let lines = sql.lines().filter(|line| !line.starts_with("--"));
        assert_eq!(lines.collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn keys_of_the_environment_stay_there() {
        check(
            "s3://acme-audit/it's/",
            &[
                ("AWS_ACCESS_KEY_ID", "AKIA"),
                ("AWS_SECRET_ACCESS_KEY", "hush"),
                ("AWS_DEFAULT_REGION", "eu-west-1"),
            ],
            "LOAD httpfs; CREATE OR REPLACE SECRET icecore (TYPE s3, SCOPE 's3://acme-audit/it''s', REGION 'eu-west-1');",
        );
    }

    #[test]
    fn without_keys_the_cloud_is_asked() {
        check(
            "s3://acme-audit",
            &[("AWS_REGION", "eu-west-1")],
            "LOAD httpfs; LOAD aws; CREATE OR REPLACE SECRET icecore (TYPE s3, SCOPE 's3://acme-audit', \
             PROVIDER credential_chain, REGION 'eu-west-1');",
        );
    }

    #[test]
    fn another_endpoint_is_named_by_its_path() {
        check(
            "s3://acme-audit",
            &[
                ("AWS_ACCESS_KEY_ID", "AKIA"),
                ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000/"),
            ],
            "LOAD httpfs; CREATE OR REPLACE SECRET icecore (TYPE s3, SCOPE 's3://acme-audit', \
             ENDPOINT '127.0.0.1:9000', USE_SSL false, URL_STYLE 'path');",
        );
    }

    #[test]
    fn a_folder_needs_nothing() {
        check("file:///var/lib/icecore/store", &[], "");
    }
}
