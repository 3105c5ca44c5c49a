//! The alerts and the board of the chart: they ask for what a server gives, in expressions that Prometheus reads.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::chart::rendered;
use crate::story::founded;

/// What Prometheus itself gives of every target.
const OF_PROMETHEUS: [&str; 1] = ["up"];

/// The functions and aggregations that expressions may use; what is spelt otherwise is a mistake.
const FUNCTIONS: [&str; 8] = ["histogram_quantile", "max", "min", "rate", "sum", "time", "topk", "absent"];

#[test]
fn alerts_and_board_ask_for_metrics_that_a_server_gives_and_the_documentation_names() -> Result<()> {
    founded(async |test, portcullis| {
        let given = given(&portcullis.metrics().await?);
        let documented = include_str!("../../../../docs/serve.md");
        for metric in given.iter().filter(|name| name.ends_with("_total") || !is_part(name)) {
            // How many there are of what is measured is not worth a line.
            ensure!(documented.contains(&format!("`{metric}`")), "docs/serve.md does not tell of `{metric}`");
        }
        let values = "monitoring.prometheusRule=true,monitoring.dashboard=true";
        let programs = portcullis_cluster_tests::Programs::find()?.context("no programs")?;
        let objects = rendered(&programs, &test.namespace, values).await?;
        for (title, count) in [("PrometheusRule portcullis", 7), ("ConfigMap portcullis-dashboard", 10)] {
            let expressions = expressions(objects.get(title).with_context(|| format!("no {title}"))?)?;
            ensure!(expressions.len() >= count, "{title} has {expressions:?}");
            for expression in expressions {
                let asked = parse(&expression).with_context(|| format!("{title}: `{expression}`"))?;
                for metric in asked {
                    let is_given = given.contains(&metric) || OF_PROMETHEUS.contains(&&*metric);
                    ensure!(is_given, "{title} asks for `{metric}`, which no server gives");
                }
            }
        }
        Ok(())
    })
}

/// The names of all series, by the types that the text declares, whether there are any yet or not.
fn given(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let named = |(name, kind): (&str, &str)| {
        let endings: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count", ""],
            "info" => &["_info"],
            _ => &[""],
        };
        endings.iter().map(|ending| format!("{name}{ending}")).collect::<Vec<_>>()
    };
    types.flat_map(named).collect()
}

/// Whether it is one of the series of a histogram, or tells of the build.
fn is_part(name: &str) -> bool {
    ["_bucket", "_sum", "_count", "_info"].iter().any(|ending| name.ends_with(ending))
}

/// Every `expr` of an object; a board stands in a ConfigMap as text.
fn expressions(object: &Value) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = vec![object.clone()];
    if let Some(board) = object.pointer("/data/portcullis.json").and_then(Value::as_str) {
        rest.push(serde_json::from_str(board).context("the board is no JSON")?);
    }
    while let Some(value) = rest.pop() {
        match value {
            Value::Object(members) => {
                found.extend(members.get("expr").and_then(Value::as_str).map(str::to_owned));
                rest.extend(members.into_iter().map(|(_, value)| value));
            }
            Value::Array(items) => rest.extend(items),
            _ => {}
        }
    }
    Ok(found)
}

/// The metrics that an expression asks for. It is read by the part of Prometheus' grammar that ours keep to.
fn parse(expression: &str) -> Result<BTreeSet<String>> {
    let mut parser = Parser { rest: expression.trim(), metrics: BTreeMap::new() };
    parser.expression()?;
    ensure!(parser.rest.is_empty(), "`{}` is left", parser.rest);
    // A rate is of a counter, and a counter alone says nothing.
    for (metric, is_rate) in &parser.metrics {
        let counts = metric.ends_with("_total") || metric.ends_with("_bucket");
        ensure!(!is_rate || counts, "a rate of `{metric}`, which is no counter");
    }
    Ok(parser.metrics.into_keys().collect())
}

struct Parser<'e> {
    rest: &'e str,
    /// Each with whether it is taken over a range.
    metrics: BTreeMap<String, bool>,
}

impl<'e> Parser<'e> {
    /// Terms with operators between them.
    fn expression(&mut self) -> Result<()> {
        self.term()?;
        while ["==", "!=", ">", "<", "+", "-", "*", "/"].iter().any(|operator| self.takes(operator)) {
            self.term()?;
        }
        Ok(())
    }

    fn term(&mut self) -> Result<()> {
        if self.takes("(") {
            self.expression()?;
            return self.expect(")");
        }
        let word = self.word();
        ensure!(!word.is_empty(), "something is expected at `{}`", self.rest);
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            word.parse::<f64>().with_context(|| format!("`{word}` is no number"))?;
            return Ok(());
        }
        if self.takes("by") {
            self.expect("(")?;
            self.list(")", |parser| {
                ensure!(!parser.word().is_empty(), "a label is expected at `{}`", parser.rest);
                Ok(())
            })?;
        }
        if self.takes("(") {
            ensure!(FUNCTIONS.contains(&word), "there is no function `{word}`");
            return self.list(")", Parser::expression);
        }
        if self.takes("{") {
            self.list("}", Parser::matcher)?;
        }
        let is_range = self.takes("[");
        if is_range {
            let range = self.word();
            let number = range.trim_end_matches(['s', 'm', 'h', 'd']);
            ensure!(range != number && number.parse::<u32>().is_ok(), "`{range}` is no duration");
            self.expect("]")?;
        }
        self.metrics.insert(word.to_owned(), is_range);
        Ok(())
    }

    fn matcher(&mut self) -> Result<()> {
        ensure!(!self.word().is_empty(), "a label is expected at `{}`", self.rest);
        let is_known = ["=~", "!~", "!=", "="].iter().any(|operator| self.takes(operator));
        ensure!(is_known, "an operator is expected at `{}`", self.rest);
        self.expect("\"")?;
        let (_, rest) = self.rest.split_once('"').context("a string does not end")?;
        self.rest = rest.trim_start();
        Ok(())
    }

    /// Items with commas between them, up to `end`.
    fn list(&mut self, end: &str, item: impl Fn(&mut Self) -> Result<()>) -> Result<()> {
        if self.takes(end) {
            return Ok(());
        }
        item(self)?;
        while self.takes(",") {
            item(self)?;
        }
        self.expect(end)
    }

    fn word(&mut self) -> &'e str {
        let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '.';
        let end = self.rest.find(|c| !is_inner(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn takes(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest).trim_start();
        rest.is_some()
    }

    fn expect(&mut self, text: &str) -> Result<()> {
        ensure!(self.takes(text), "`{text}` is expected at `{}`", self.rest);
        Ok(())
    }
}

#[test]
fn an_expression_with_a_mistake_is_found_out() {
    let asked = parse("sum by (le) (rate(a_total{b=\"c\",d!=\"e\"}[5m])) / 2 > 0").unwrap();
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), ["a_total"]);
    for wrong in ["sum(a", "summ(a)", "a{b=c}", "rate(a_total[5])", "rate(a[5m])", "a >", "a b", "a{b=\"c}"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
