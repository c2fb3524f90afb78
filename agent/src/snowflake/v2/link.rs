//! The `Link` header, which leads to a result's other partitions.

use super::super::form::status_url;
use super::super::route::QueryId;

/// Relations that the SQL API uses.
const RELATIONS: [&str; 4] = ["first", "next", "prev", "last"];

/// Writes the header anew for one query: relations and partition numbers as they came, everything else ours.
///
/// What leads anywhere but to a partition is left out.
pub(super) fn rewritten(link: &str, query_id: QueryId) -> Option<String> {
    let own = status_url(query_id);
    let links: Vec<String> = link
        .split(',')
        .filter_map(read)
        .map(|(partition, relation)| format!("<{own}?partition={partition}>;rel=\"{relation}\""))
        .collect();
    (!links.is_empty()).then(|| links.join(","))
}

/// Reads one link: the partition that its address names, and its relation. Source: RFC 8288 section 3.
fn read(link: &str) -> Option<(u32, &'static str)> {
    let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    let (_, query) = address.split_once('?')?;
    let partition = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("partition="))?
        .parse()
        .ok()?;
    let relation = rest.trim().strip_prefix(';')?.trim().strip_prefix("rel=")?;
    let found = relation.trim_matches('"');
    let relation = RELATIONS.iter().find(|known| **known == found)?;
    Some((partition, relation))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11";

    #[test]
    fn links_lead_to_partitions_of_the_same_query_on_the_same_host() {
        let id = QueryId::parse(ID).unwrap();
        let link = format!(
            r#"</api/v2/statements/{ID}?requestId=a&partition=0>;rel="first",<https://evil.example/x?partition=1>; rel="next",<https://evil.example/>;rel="last",</x?partition=9>;rel="evil""#
        );
        assert_eq!(
            rewritten(&link, id).unwrap(),
            format!(
                r#"</api/v2/statements/{ID}?partition=0>;rel="first",</api/v2/statements/{ID}?partition=1>;rel="next""#
            )
        );
        assert_eq!(rewritten("nonsense", id), None);
    }

    proptest! {
        #[test]
        fn any_text_gives_links_of_ours_or_none(link in ".*") {
            let id = QueryId::parse(ID).unwrap();
            for link in rewritten(&link, id).iter().flat_map(|links| links.split(',')) {
                prop_assert!(link.starts_with("</api/v2/statements/"), "{}", link);
            }
        }
    }
}
