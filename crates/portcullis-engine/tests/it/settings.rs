//! The configuration, and whom it lets through unseen.

use portcullis_engine::{Settings, Unseen, Verdict};
use portcullis_model::{Gvk, Roles, User};

use crate::support::{JOB, POD, Request, Setting, rule};

fn read(entries: &[(&str, &str)]) -> Settings {
    let (settings, problems) = Settings::read(entries.iter().copied());
    assert_eq!(problems, []);
    settings
}

#[test]
fn a_resource_filter_names_kind_namespace_and_name_by_wildcards() {
    #[track_caller]
    fn check(filter: &str, kind: (&str, &str), subresource: &str, place: (&str, &str), want: bool) {
        let settings = read(&[("resourceFilters", filter)]);
        let gvk = Gvk::new(kind.0, kind.1);
        assert_eq!(settings.filters(gvk, subresource, place.0, place.1), want, "{filter}");
    }
    check("[Event,*,*]", ("events.k8s.io/v1", "Event"), "", ("a", "b"), true);
    check("[*/*,kube-system,*]", ("v1", "Pod"), "status", ("kube-system", "p"), true);
    check("[*/*,kube-system,*]", ("v1", "Namespace"), "", ("", "kube-system"), true);
    check("[*/*,kube-system,*]", ("v1", "Pod"), "", ("default", "kube-system"), false);
    check("[*,kube-public,*]", ("v1", "Pod"), "status", ("kube-public", "p"), false);
    check("[Node,*,*]", ("v1", "Node"), "", ("", "n1"), true);
    check("[Node,*,*]", ("v1", "Node"), "status", ("", "n1"), false);
    check("[Node/?*,*,*]", ("v1", "Node"), "status", ("", "n1"), true);
    check("[Pod]", ("v1", "Pod"), "", ("a", "b"), false);
    check("[a,b,c] [apps/v1/Deployment, dev-*, web]", ("apps/v1", "Deployment"), "", ("dev-1", "web"), true);
    check("", ("v1", "Pod"), "", ("a", "b"), false);
    check("", ("kyverno.io/v2", "UpdateRequest"), "", ("kyverno", "u"), true);
}

#[test]
fn an_exception_comes_before_every_list_of_excluded_users() {
    #[track_caller]
    fn check(entries: &[(&str, &str)], user: &User<'_>, want: bool) {
        assert_eq!(read(entries).exclude(user), want, "{entries:?}");
    }
    let roles = Some(Roles { roles: &["team:editor"], cluster_roles: &["admin"] });
    let jane = User { username: "jane", groups: &["system:nodes", "devs"], roles };
    check(&[], &jane, false);
    check(&[("excludeGroups", "system:nodes")], &jane, true);
    check(&[("excludeGroups", "system:*, !devs")], &jane, false);
    check(&[("excludeGroups", "system:nodes"), ("excludeUsernames", "!jane")], &jane, false);
    check(&[("excludeUsernames", "j?ne")], &jane, true);
    check(&[("excludeRoles", "team:*")], &jane, true);
    check(&[("excludeClusterRoles", "admin")], &jane, true);
    check(&[("excludeClusterRoles", "admin")], &User { roles: None, ..jane }, false);
}

#[test]
fn what_is_wrong_is_told_and_keeps_its_default() {
    #[track_caller]
    fn check(key: &str, text: &str, want: &str) {
        let (settings, problems) = Settings::read([(key, text)]);
        assert_eq!(problems.len(), 1, "{key}");
        assert_eq!(problems[0].to_string(), want);
        assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
    }
    check("resourceFilters", "[Pod,*", "`resourceFilters` is not used: `[Pod,*` has no closing bracket");
    check(
        "resourceFilters",
        "[Pod,a,b,c]",
        "`resourceFilters` is not used: `[Pod,a,b,c]` has more parts than kind, namespace and name",
    );
    check(
        "webhooks",
        "[]",
        "`webhooks` is not used: expected a map of `namespaceSelector` and `objectSelector`",
    );
    check(
        "webhooks",
        r#"{"namespaceSelektor":{}}"#,
        "`webhooks` is not used: unknown field `namespaceSelektor`",
    );
    check(
        "webhookLabels",
        r#"{"a":1}"#,
        "`webhookLabels` is not used: expected `a` to be a string, found number",
    );
    check(
        "matchConditions",
        r#"[{"name":"a"}]"#,
        "`matchConditions` is not used: expected every condition to have a `name` and an `expression`",
    );
    check("maxContextSize", "4Mi", "`maxContextSize` is not used: it has no effect in this version");
    check("excludedGroups", "a", "`excludedGroups` is not used: there is no such setting");
}

#[test]
fn all_settings_are_read() {
    let settings = read(&[
        ("webhooks", r#"{"namespaceSelector":{"matchLabels":{"a":"b"}}}"#),
        ("webhookAnnotations", r#"{"owner":"platform"}"#),
        ("matchConditions", r#"[{"name":"n","expression":"true"}]"#),
    ]);
    assert_eq!(format!("{:?}", settings.namespace_selector), r#"{"matchLabels":{"a":"b"}}"#);
    assert_eq!(settings.webhook_annotations, [("owner".to_owned(), "platform".to_owned())]);
    let usual = read(&[]).webhook_annotations;
    assert_eq!(usual, [("admissions.enforcer/disabled".to_owned(), "true".to_owned())]);
    assert_eq!(settings.match_conditions.len(), 1);
}

#[test]
fn what_is_filtered_or_excluded_is_admitted_unseen() {
    let check = |entry, gvk, want: Option<Unseen>| {
        let mut setting =
            Setting::of([rule("p", "validationFailureAction: Enforce", "'*'", "validate: {deny: {}}")]);
        setting.settings = read(&[entry]);
        setting.review(
            "/validate/fail",
            Request::create(gvk, "{metadata: {name: n}}"),
            |verdict: &Verdict<'_>, _| {
                assert_eq!((verdict.allowed, verdict.unseen), (want.is_some(), want));
            },
        );
    };
    check(("resourceFilters", "[Pod,team,*]"), POD, Some(Unseen::Filtered));
    check(("resourceFilters", "[Pod,team,*]"), JOB, None);
    check(("excludeGroups", "developers"), JOB, Some(Unseen::ExcludedUser));
    check(("excludeUsernames", "joe"), JOB, None);
}
