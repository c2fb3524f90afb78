//! Which names are Snowflake's. Pure.

/// Domains under which every name is governed or refused, never spliced. Source: protocol reference 6, "Hostnames".
pub const SNOWFLAKE_DOMAINS: [&str; 6] = [
    "snowflakecomputing.com",
    "snowflakecomputing.cn",
    "snowflakecomputing.mil",
    "snowflakecomputing.app",
    "snowflake.com",
    "snowflake.app",
];

/// Gives a name in the one form in which names are compared: lower case, without a final dot.
#[must_use]
pub fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Tells whether a canonical name is a Snowflake domain or lies under one.
#[must_use]
pub fn is_snowflake(name: &str) -> bool {
    SNOWFLAKE_DOMAINS.iter().any(|domain| {
        name.strip_suffix(domain)
            .is_some_and(|head| head.is_empty() || head.ends_with('.'))
    })
}

/// Gives the host of `host`, `host:port` or `[v6]:port`, canonical.
#[must_use]
pub fn host_of(authority: &str) -> String {
    let host = match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') =>
        {
            host
        }
        _ => authority,
    };
    canonical(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_under_snowflakes_domains_are_snowflakes() {
        for name in [
            "acme.snowflakecomputing.com",
            "a.eu-central-1.privatelink.snowflakecomputing.com",
            "snowflakecomputing.cn",
            "app.snowflake.com",
            "x.snowflakecomputing.app",
        ] {
            assert!(is_snowflake(name), "{name}");
        }
        for name in [
            "snowflakecomputing.com.evil.example",
            "evilsnowflakecomputing.com",
            "example.com",
            "",
        ] {
            assert!(!is_snowflake(name), "{name}");
        }
    }

    #[test]
    fn one_form_of_a_name() {
        assert_eq!(
            host_of("ACME.SnowflakeComputing.com.:443"),
            "acme.snowflakecomputing.com"
        );
        assert_eq!(
            host_of("ACME.SnowflakeComputing.com:443"),
            "acme.snowflakecomputing.com"
        );
        assert_eq!(canonical("Acme.Example."), "acme.example");
        assert_eq!(host_of("[::1]:443"), "[::1]");
    }
}
