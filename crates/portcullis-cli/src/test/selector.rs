//! Which rows of tests are run.

use std::str::FromStr;

use portcullis_gocompat::wildcard;

use super::file::Expectation;

/// Wildcards for the fields of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    policy: String,
    rule: String,
    resource: String,
}

impl Default for Selector {
    fn default() -> Self {
        let any = || "*".to_owned();
        Self { policy: any(), rule: any(), resource: any() }
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut selector = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not KEY=VALUE"))?;
            let field = match key.trim() {
                "policy" => &mut selector.policy,
                "rule" => &mut selector.rule,
                "resource" => &mut selector.resource,
                key => return Err(format!("no key `{key}`: there are policy, rule and resource")),
            };
            value.trim().clone_into(field);
        }
        Ok(selector)
    }
}

impl Selector {
    /// Whether a row is run. What it leaves empty stands for anything.
    pub(crate) fn selects(&self, row: &Expectation) -> bool {
        let fits = |pattern: &str, text: &str| text.is_empty() || wildcard::matches(pattern, text);
        let fits_resource = |resource: &String| wildcard::matches(&self.resource, resource);
        fits(&self.policy, &row.policy)
            && fits(&self.rule, &row.rule)
            && (row.resources.is_empty() || row.resources.iter().any(fits_resource))
    }

    /// The resource that takes the place of those of the rows, if one is chosen.
    ///
    /// COMPAT(kyverno): the wildcard itself does, as if it were a name.
    pub(crate) fn resource(&self) -> Option<&str> {
        (self.resource != "*").then_some(&self.resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_run_when_each_part_of_it_fits() {
        let row = Expectation {
            policy: "require-labels".to_owned(),
            resources: vec!["default/web".to_owned(), "db".to_owned()],
            ..Expectation::default()
        };
        let selects = |text: &str| text.parse::<Selector>().unwrap().selects(&row);
        assert!(selects("policy=require-*"));
        assert!(selects("policy=*, resource=d*, rule=anything"));
        assert!(!selects("policy=other"));
        assert!(!selects("resource=web"));
        assert_eq!(
            "kind=Pod".parse::<Selector>().unwrap_err(),
            "no key `kind`: there are policy, rule and resource"
        );
    }
}
