//! Whether a plan may be carried out, here and now.

use std::path::Path;

use anyhow::Result;
use portcullis_retention::{Journal, Plan, PlanError, format_age};

use super::Arguments;
use crate::exit::hinted;
use crate::files::{self, Entry};

/// The longest plan that is read: a million Jobs and more.
const LONGEST_PLAN: u64 = 1 << 30;
/// How many seconds two clocks may be apart: a plan from a file is dated by that of who made it.
const SKEW: i64 = 300;

/// Reads the plan in a file.
///
/// # Errors
/// It is no plan that can be carried out.
pub(super) fn read_plan(path: &Path) -> Result<Plan> {
    if files::entry(path)? == Entry::Folder {
        let hint = "name a file: what `portcullis jobs plan -o FILE` wrote";
        return Err(hinted(format!("`{}` is a folder, not a plan", path.display()), Some(hint)));
    }
    let text = files::read_text(path, LONGEST_PLAN)?;
    Plan::read(text.as_bytes()).map_err(|error: PlanError| {
        hinted(format!("cannot carry out `{}`: {error}", path.display()), Some(error.hint()))
    })
}

/// Whether `plan` is for the cluster with this uid.
pub(super) fn check_cluster(plan: &Plan, arguments: &Arguments, uid: &str) -> Result<()> {
    let planned = plan.cluster.uid.as_deref();
    for said in [planned, arguments.cluster_uid.as_deref()].into_iter().flatten() {
        if said != uid {
            let hint = "give the kubeconfig or `--context` of the cluster that the plan was made for";
            return Err(hinted(
                format!("the plan is for another cluster: for `{said}`, and this is `{uid}`"),
                Some(hint),
            ));
        }
    }
    if planned.is_none() && arguments.cluster_uid.is_none() {
        let message = "the plan was made from a file, and does not say for which cluster".to_owned();
        return Err(hinted(message, Some(format!("if it is for this one, add `--cluster-uid {uid}`"))));
    }
    Ok(())
}

/// Whether `plan` is not too old at `now`, in seconds since 1970-01-01 UTC.
pub(super) fn check_age(plan: &Plan, arguments: &Arguments, now: i64) -> Result<()> {
    let age = now.saturating_sub(plan.made.at);
    if age < -SKEW {
        let made = jiff::Timestamp::from_second(plan.made.at).unwrap_or_default();
        let message = format!("the plan was made in the future: at {made}, which is in {}", format_age(-age));
        let hint = "one of the clocks, of the API server or of who planned from a file, is wrong: set it, and make the plan anew";
        return Err(hinted(message, Some(hint)));
    }
    if age > arguments.max_plan_age {
        let message = format!(
            "the plan is {} old, and {} is the limit",
            format_age(age),
            format_age(arguments.max_plan_age)
        );
        return Err(hinted(
            message,
            Some("make it anew with `portcullis jobs plan`, or set `--max-plan-age`"),
        ));
    }
    Ok(())
}

/// Whether the folder is of the same sweep.
pub(super) fn check_journal(journal: Option<&Journal>, plan: &Plan, uid: &str, folder: &Path) -> Result<()> {
    match journal {
        Some(journal) if journal.header.plan != plan.digest || journal.header.cluster != uid => {
            let hint = "name another with `--backup DIR`; what is in this one may still be wanted";
            Err(hinted(format!("`{}` is the folder of another plan", folder.display()), Some(hint)))
        }
        _ => Ok(()),
    }
}
