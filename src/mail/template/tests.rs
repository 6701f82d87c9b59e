use super::*;

const GOOD: &str = include_str!("../templates/example.html");

fn refused(kind: MailKind, source: &str) -> String {
    check(kind, source).unwrap_err().to_string()
}

fn referral(body: &str) -> String {
    format!(
        "<html><head><title>{{{{ app }}}}</title></head>\n<body><a href=\"{{{{ link }}}}\">Go</a>\
         <a href='{{{{ opt_out }}}}'>Stop</a>\n{body}</body></html>"
    )
}

#[test]
fn example_is_accepted_for_both_kinds_of_invites() {
    assert_eq!(check(MailKind::Referral, GOOD), Ok(()));
    let more = "<a href='{{ home }}?c={{ code }}' style='color: {{ color }}'>x</a><a href=\"mailto:{{ contact }}\">y</a>";
    assert_eq!(check(MailKind::Referral, &referral(more)), Ok(()));
}

#[test]
fn everything_that_is_not_listed_is_refused_with_its_line() {
    for (body, problem) in [
        ("<script>alert(1)</script>", "line 3: <script> is not allowed"),
        ("<p>\n<iframe></iframe></p>", "line 4: <iframe> is not allowed"),
        ("<svg></svg>", "line 3: <svg> is not allowed"),
        ("<p onclick=\"x\">x</p>", "line 3: the attribute `onclick` of <p> is not allowed"),
        ("<a href=\"javascript:alert(1)\">x</a>", "not `javascript:alert(1)`"),
        ("<a href=\"java&#10;script:alert(1)\">x</a>", "not `java\nscript:alert(1)`"),
        ("<a href=\"{{ app }}\">x</a>", "not `{{ app }}`"),
        ("<a href=\" //evil.example\">x</a>", "not `//evil.example`"),
        ("<img src=\"http://x.example/a.png\">", "`src` must be {{ logo }} or begin with https://"),
        ("<img src=\"data:image/png;base64,AA\">", "`src` must be {{ logo }}"),
        ("<p style=\"background:url(https://x.example)\">x</p>", "a style must not contain `url(`"),
        ("<style>@im\\port 'x'</style>", "a style must not contain `\\`"),
        ("<style>\n@import 'x'</style>", "a style must not contain `@import`"),
        ("<p>x</div>", "line 3: </div> does not close <p> of line 3"),
        ("</p>", "line 3: </p> does not close <body> of line 2"),
        ("<b>x", "line 3: </body> does not close <b> of line 3"),
        ("<p class=\"x>x</p>", "line 3: broken HTML: eof-in-tag"),
        ("<p>{% if inviter %}</p>{% endif %}", "</body> does not close <p>"),
        (
            "{{ nobody }}",
            "line 3: `nobody` is not a variable of referral mails; these are: address, app, code, ",
        ),
        ("{{ app|safe }}", "line 3: `app|safe` is not a variable"),
        ("{{ app | safe }}", "line 3: only {{ name }}, {% if name %}"),
        ("{% autoescape false %}", "line 3: only {{ name }}"),
        ("{% for x in app %}{% endfor %}", "line 3: only {{ name }}"),
        ("{% if app %}x", "line 3: unexpected end of input"),
        ("{% include 'x' %}", "line 3: only {{ name }}"),
        ("{{ app", "line 3: `{{` is not closed"),
        ("{# x #}", "line 3: `{#` is not closed, or begins a comment"),
        ("<{{ app }}>", "line 3: broken HTML: invalid-first-character-of-tag-name"),
        ("<p {{ app }}>x</p>", "line 3: the attribute `app` of <p> is not allowed"),
        ("<a href=\"https://{{ inviter }}/\">x</a>", "not `https://{{ inviter }}/`"),
        ("<a href=\"{{ link }}{{ app }}\">x</a>", "not `{{ link }}{{ app }}`"),
        ("<p style=\"color: {{ inviter }}\">x</p>", "line 3: a style must not contain {{ inviter }}"),
        ("<style>p { color: {{app}} }</style>", "line 3: a style must not contain {{ app }}"),
        ("<base href=\"https://evil.example\">", "line 3: <base> is not allowed"),
        (
            "<meta http-equiv=\"refresh\" content=\"0\">",
            "the attribute `http-equiv` of <meta> is not allowed",
        ),
    ] {
        let refused = refused(MailKind::Referral, &referral(body));
        assert!(refused.contains(problem), "{body}: {refused}");
    }
    let large = referral(&"x".repeat(SIZE));
    assert_eq!(refused(MailKind::Referral, &large), "line 1: a template has at most 60000 bytes");
}

#[test]
fn links_and_a_subject_are_needed() {
    let whole = referral("");
    for (left_out, problem) in [
        ("<a href=\"{{ link }}\">Go</a>", "line 1: the mail needs a link to {{ link }}"),
        ("<a href='{{ opt_out }}'>Stop</a>", "line 1: the mail needs a link to {{ opt_out }}"),
        ("{{ app }}", "line 1: the mail needs a subject"),
    ] {
        for instead in [String::new(), format!("{{% if code %}}{left_out}{{% endif %}}")] {
            let refused = refused(MailKind::Referral, &whole.replace(left_out, &instead));
            assert!(refused.starts_with(problem), "{instead}: {refused}");
        }
    }
    let hidden = whole.replace("<a href=\"{{ link }}\">Go</a>", "<!-- <a href=\"{{ link }}\">Go</a> -->");
    assert!(refused(MailKind::Referral, &hidden).contains("the mail needs a link to {{ link }}"));
    let notice = "<title>x</title><p>{{ link }}</p>";
    assert!(refused(MailKind::Notice, notice).contains("`link` is not a variable of notice mails"));
    assert_eq!(check(MailKind::Notice, "<title>x</title><p>{{ app }}</p>"), Ok(()));
}

#[test]
fn values_are_escaped_and_the_plain_part_says_the_same() {
    let source = "<title>{{ app }} &amp;\n you</title><style>p { color: red }</style><h1>Hello</h1><p>Dear <b>{{ inviter }}</b>,<br>come.</p>\
        <table><tr><td>a</td><td>b</td></tr></table><ul><li>one</li></ul>\
        <p><a href=\"{{ link }}\">Open</a> or <a href=\"mailto:a@b.example\">a@b.example</a></p>";
    let values = BTreeMap::from([
        ("app", Value::from("<A>")),
        ("inviter", Value::from("<script>")),
        ("link", Value::from("https://id.example/x?a=1&b=2")),
    ]);
    let written = write(source, &values).unwrap();
    assert!(!written.html.contains("<script>") && !written.html.contains("<A>"), "{}", written.html);
    assert_eq!(written.subject, "<A> & you");
    assert_eq!(
        written.text,
        "\nHello\n\nDear <script>,\ncome.\n\na b\n\n- one\n\nOpen\nhttps://id.example/x?a=1&b=2\nor a@b.example\n"
            .trim_start_matches('\n')
    );
}
