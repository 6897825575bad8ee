//! All tags of a repository, page by page (OCI Distribution Specification, "Listing Tags"; RFC 8288).

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;

use super::exchange::{Host, Question, judge, unknown};
use super::{Distribution, RegistryError};
use crate::model::ImageRef;

/// Tags asked for at a time; a registry may give fewer.
const PER_PAGE: u32 = 1000;
/// The most pages that are followed.
const MOST_PAGES: usize = 500;
/// The most tags that are taken.
const MOST_TAGS: usize = 200_000;
/// The largest page that is read, bytes.
const LARGEST_PAGE: usize = 8 * 1024 * 1024;
/// The most bytes that all tags together may have.
const LARGEST_LIST: usize = 32 * 1024 * 1024;
/// One list, with all its pages.
const WHOLE: Duration = Duration::from_secs(120);

/// All tags of one repository, sorted, each once. A part of them is never called so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagList(BTreeSet<String>);

impl TagList {
    /// The tags, in the order of their bytes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is such a tag.
    pub fn contains(&self, tag: &str) -> bool {
        self.0.contains(tag)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Into<String>> FromIterator<T> for TagList {
    fn from_iter<I: IntoIterator<Item = T>>(tags: I) -> Self {
        Self(tags.into_iter().map(Into::into).collect())
    }
}

#[derive(Deserialize)]
struct Page {
    /// `null` at some registries, where there are none.
    tags: Option<Vec<String>>,
}

impl Distribution {
    pub(super) async fn ask_tags(
        &self,
        host: &Host,
        image: &ImageRef,
    ) -> Result<TagList, RegistryError> {
        match tokio::time::timeout(WHOLE, self.ask_pages(host, image)).await {
            Ok(tags) => tags,
            Err(_) => {
                let why = format!("its list of tags takes longer than {} s", WHOLE.as_secs());
                Err(unknown(&host.registry, why))
            }
        }
    }

    async fn ask_pages(&self, host: &Host, image: &ImageRef) -> Result<TagList, RegistryError> {
        let (mut tags, mut bytes) = (BTreeSet::new(), 0);
        let mut asked = BTreeSet::new();
        let mut page = Some(format!("/v2/{}/tags/list?n={PER_PAGE}", image.path()));
        while let Some(path) = page {
            let too_many = asked.len() == MOST_PAGES || tags.len() > MOST_TAGS;
            if too_many || bytes > LARGEST_LIST || !asked.insert(path.clone()) {
                let count = tags.len();
                let why = format!("its list of tags does not come to an end ({count} so far)");
                return Err(unknown(&host.registry, why));
            }
            let (found, next) = self.in_turn(host, self.ask_page(host, image, path)).await?;
            bytes += found.iter().map(String::len).sum::<usize>();
            tags.extend(found);
            page = next;
        }
        Ok(TagList(tags))
    }

    async fn ask_page(
        &self,
        host: &Host,
        image: &ImageRef,
        path: String,
    ) -> Result<(Vec<String>, Option<String>), RegistryError> {
        let response = self.ask(host, image, &Question::get(path)).await?;
        let response = judge(host, image, response)?;
        let links = response.headers().get_all(reqwest::header::LINK).iter();
        let links: Vec<&str> = links.filter_map(|value| value.to_str().ok()).collect();
        let next = match next_link(&links) {
            Some(link) => Some(host.own_path(response.url(), link).ok_or_else(|| {
                unknown(&host.registry, "its list of tags goes on at another host".to_owned())
            })?),
            None => None,
        };
        let body = host.read(response, LARGEST_PAGE).await?;
        let page: Page = serde_json::from_slice(&body)
            .map_err(|_| unknown(&host.registry, "its list of tags cannot be read".to_owned()))?;
        Ok((page.tags.unwrap_or_default(), next))
    }
}

/// The target of the link with `rel="next"`.
pub(super) fn next_link<'a>(headers: &[&'a str]) -> Option<&'a str> {
    let links = headers.iter().flat_map(|header| header.split('<').skip(1));
    let mut links = links.filter_map(|link| link.split_once('>'));
    let is_next = |parameters: &str| {
        parameters.split([';', ',']).filter_map(|one| one.split_once('=')).any(|(name, value)| {
            let mut relations = value.trim().trim_matches('"').split_whitespace();
            name.trim().eq_ignore_ascii_case("rel")
                && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
        })
    };
    links.find(|(_, parameters)| is_next(parameters)).map(|(target, _)| target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_however_the_link_is_written() {
        for (headers, expected) in [
            (
                vec![r#"</v2/a/tags/list?last=b&n=2>; rel="next""#],
                Some("/v2/a/tags/list?last=b&n=2"),
            ),
            (
                vec!["<https://r.lan/v2/a/tags/list?last=b>;rel=next"],
                Some("https://r.lan/v2/a/tags/list?last=b"),
            ),
            (vec![r#"<?a>; rel="prev", <?b>; title="x"; REL="last Next""#], Some("?b")),
            (vec![r#"<?a>; rel="prev""#, r#"<?b>; rel="next""#], Some("?b")),
            (vec![r#"<?a>; rel="prev""#], None),
            (vec!["", "<", "<?a", "<?a>", "<?a>; rel"], None),
            (vec![], None),
        ] {
            assert_eq!(next_link(&headers), expected, "{headers:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_link_is_part_of_its_header_whatever_that_is(header in "[<>;,= \"a-zäNEXTnext]*") {
            let found = next_link(&[&header]);
            assert!(found.is_none_or(|link| header.contains(&format!("<{link}>"))));
        }
    }
}
