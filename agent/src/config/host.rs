//! Host names of Snowflake accounts: which names are one, and the account's name in them. Pure.

/// Domains whose names are Snowflake accounts, private links included.
/// Source: Snowflake, "Account identifiers", and its China and US government regions (protocol reference 6).
const ACCOUNT_DOMAINS: [&str; 3] = [
    ".snowflakecomputing.com",
    ".snowflakecomputing.cn",
    ".snowflakecomputing.mil",
];

/// First labels of names under these domains that are services of Snowflake's, not accounts.
/// Source: protocol reference 6, "Hostnames".
const SERVICES: [&str; 6] = [
    "app",
    "client-telemetry",
    "ocsp",
    "ocspssd",
    "privatelink",
    "sfc-repo",
];

/// Longest DNS name, in characters (RFC 1035 section 2.3.4, less the final dot).
const NAME_MAX_CHARACTERS: usize = 253;

/// Longest label of a DNS name, in characters (RFC 1035 section 2.3.4).
const LABEL_MAX_CHARACTERS: usize = 63;

/// Most labels before the domain: account, three of a region, `privatelink`.
const LABELS_MAX: usize = 5;

/// What an account's host must look like.
pub(super) const ACCOUNT_HOST: &str = "a lower-case name of an account below snowflakecomputing.com, .cn or .mil, such as \"myorg-myaccount.snowflakecomputing.com\" or \"xy12345.eu-central-1.snowflakecomputing.com\"";

/// Tells whether a text is a DNS name as this project writes it: lower case, no final dot.
pub(super) fn is_dns_name(name: &str) -> bool {
    let letter = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let label = |label: &str| {
        label.len() <= LABEL_MAX_CHARACTERS
            && label.bytes().next().is_some_and(letter)
            && label.bytes().last().is_some_and(letter)
            // Snowflake has account names with `_`, though RFC 1123 has not.
            && label.bytes().all(|one| letter(one) || one == b'-' || one == b'_')
    };
    name.len() <= NAME_MAX_CHARACTERS && name.split('.').all(label)
}

/// Tells whether a name is that of an account, in any of Snowflake's forms.
///
/// These are `locator`, `locator.region`, `locator.region.cloud`, `organization-account` and `organization-connection`
/// (with `_` or `-` for an account's `_`), each also with `.privatelink`, and `account-id.global`.
pub(super) fn is_account_host(host: &str) -> bool {
    let Some(labels) = labels(host) else {
        return false;
    };
    let [account, rest @ ..] = labels.as_slice() else {
        return false;
    };
    let at_end = |word: &str| {
        rest.iter()
            .position(|label| *label == word)
            .is_none_or(|place| place + 1 == rest.len())
    };
    is_dns_name(host)
        && labels.len() <= LABELS_MAX
        && !SERVICES.contains(account)
        && !rest.contains(&"registry")
        && at_end("privatelink")
        && at_end("global")
}

/// Gives the account's name in a host name, as JWTs and logins name it, in upper case.
///
/// It is the text before the first dot; in the form `.global` what follows the first `-` there is the connection's id
/// and is left out. Source: protocol reference 2.3.
pub(super) fn account_name(host: &str) -> String {
    let mut labels = host.split('.');
    let account = labels.next().unwrap_or_default();
    let account = match (account.split_once('-'), labels.next()) {
        (Some((before, _)), Some("global")) => before,
        (Some(_) | None, _) => account,
    };
    account.to_uppercase()
}

/// Gives the one form of names that lead to the same account: Snowflake takes `-` for an account's `_`.
pub(super) fn same_account_key(host: &str) -> String {
    match host.split_once('.') {
        Some((account, rest)) => format!("{}.{rest}", account.replace('_', "-")),
        None => host.to_owned(),
    }
}

/// Gives the labels before an account domain.
fn labels(host: &str) -> Option<Vec<&str>> {
    let before = ACCOUNT_DOMAINS
        .iter()
        .find_map(|domain| host.strip_suffix(domain))?;
    Some(before.split('.').collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_of_an_accounts_host_has_its_name() {
        for (host, name) in [
            ("xy12345.snowflakecomputing.com", "XY12345"),
            ("xy12345.eu-central-1.snowflakecomputing.com", "XY12345"),
            ("xy12345.us-east-2.aws.snowflakecomputing.com", "XY12345"),
            ("xy12345.east-us-2.azure.snowflakecomputing.com", "XY12345"),
            (
                "xy12345.us-gov-west-1.aws.snowflakecomputing.com",
                "XY12345",
            ),
            (
                "xy12345.fhplus.us-gov-west-1.aws.snowflakecomputing.com",
                "XY12345",
            ),
            (
                "xy12345.us-gov-west-1.aws.snowflakecomputing.mil",
                "XY12345",
            ),
            (
                "xy12345.cn-northwest-1.aws.snowflakecomputing.cn",
                "XY12345",
            ),
            (
                "myorg-my_account.snowflakecomputing.com",
                "MYORG-MY_ACCOUNT",
            ),
            (
                "myorg-my-account.snowflakecomputing.com",
                "MYORG-MY-ACCOUNT",
            ),
            (
                "myorg-connection.snowflakecomputing.com",
                "MYORG-CONNECTION",
            ),
            ("xy12345.privatelink.snowflakecomputing.com", "XY12345"),
            (
                "xy12345.eu-central-1.privatelink.snowflakecomputing.com",
                "XY12345",
            ),
            (
                "xy12345.us-east-2.aws.privatelink.snowflakecomputing.com",
                "XY12345",
            ),
            (
                "myorg-acct.privatelink.snowflakecomputing.com",
                "MYORG-ACCT",
            ),
            ("acct-f00d.global.snowflakecomputing.com", "ACCT"),
            ("acct-f00d-beef.global.snowflakecomputing.com", "ACCT"),
            ("acct.global.snowflakecomputing.com", "ACCT"),
        ] {
            assert!(is_account_host(host), "{host}");
            assert_eq!(account_name(host), name, "{host}");
        }
    }

    #[test]
    fn other_names_are_no_accounts() {
        for host in [
            "snowflakecomputing.com",
            ".snowflakecomputing.com",
            "acme.snowflakecomputing.com.",
            "ACME.snowflakecomputing.com",
            "acme.snowflakecomputing.com.evil.example",
            "acme.snowflakecomputing.app",
            "acme.snowflake.com",
            "acme-.snowflakecomputing.com",
            "-acme.snowflakecomputing.com",
            "acme..snowflakecomputing.com",
            "*.snowflakecomputing.com",
            "ac me.snowflakecomputing.com",
            "ocsp.snowflakecomputing.com",
            "ocsp.xy12345.privatelink.snowflakecomputing.com",
            "client-telemetry.snowflakecomputing.com",
            "sfc-repo.snowflakecomputing.com",
            "privatelink.snowflakecomputing.com",
            "myorg-acct.registry.snowflakecomputing.com",
            "xy12345.privatelink.eu-central-1.snowflakecomputing.com",
            "xy12345.global.privatelink.snowflakecomputing.com",
            "a.b.c.d.e.f.snowflakecomputing.com",
        ] {
            assert!(!is_account_host(host), "{host}");
        }
    }

    #[test]
    fn underscore_and_hyphen_are_one_account() {
        let key = same_account_key("myorg-my_account.snowflakecomputing.com");
        assert_eq!(key, "myorg-my-account.snowflakecomputing.com");
        assert_eq!(same_account_key(&key), key);
    }

    const LABEL: &str = "[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9])?";

    proptest! {
        #[test]
        fn any_text_is_an_account_or_not(text: String) {
            let _ = is_account_host(&text);
            let _ = (account_name(&text), same_account_key(&text));
        }

        #[test]
        fn the_name_is_the_first_label_in_upper_case(
            label in LABEL,
            region in "([a-z]{2}-[a-z]{4}-[0-9](\\.(aws|azure|gcp))?\\.)?",
            link in "(privatelink\\.)?",
            domain in "(com|cn|mil)",
        ) {
            let host = format!("{label}.{region}{link}snowflakecomputing.{domain}");
            prop_assert_eq!(is_account_host(&host), !SERVICES.contains(&label.as_str()));
            prop_assert_eq!(account_name(&host), label.to_uppercase());
        }

        #[test]
        fn a_global_name_ends_at_its_first_hyphen(name in "[a-z0-9]{1,12}", id in LABEL) {
            let label = format!("{name}-{id}");
            let host = format!("{label}.global.snowflakecomputing.com");
            prop_assert_eq!(is_account_host(&host), !SERVICES.contains(&label.as_str()));
            prop_assert_eq!(account_name(&host), name.to_uppercase());
        }

        #[test]
        fn an_accounts_host_is_a_snowflake_name(host in "[a-z0-9._-]{0,40}\\.snowflakecomputing\\.(com|cn|mil)") {
            if is_account_host(&host) {
                prop_assert!(crate::connection::name::is_snowflake(&host));
                prop_assert_eq!(crate::connection::name::canonical(&host), host.clone());
                prop_assert!(!account_name(&host).is_empty());
            }
        }
    }
}
