use super::*;

#[test]
fn histogram_bounds_are_inclusive() {
    let histogram = Histogram::default();
    for microseconds in [0, 500, 501, 1_000, 10_000_000, 10_000_001] {
        histogram.count(Duration::from_micros(microseconds));
    }
    let mut page = Page::default();
    histogram.write(&mut page, "h", &[("a", "b")]);
    let page = page.finish();
    let samples: Vec<&str> = page.lines().collect();
    assert_eq!(
        samples[..3],
        [
            "h_bucket{a=\"b\",le=\"0.0005\"} 2",
            "h_bucket{a=\"b\",le=\"0.001\"} 4",
            "h_bucket{a=\"b\",le=\"0.0025\"} 4"
        ]
    );
    let end = [
        "h_bucket{a=\"b\",le=\"10\"} 5",
        "h_bucket{a=\"b\",le=\"+Inf\"} 6",
        "h_sum{a=\"b\"} 20.002002",
        "h_count{a=\"b\"} 6",
    ];
    assert_eq!(samples[12..], end);
}

#[test]
fn concurrent_responses_are_counted_by_method_and_status() {
    let answers = Responses::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for method in [Method::PUT, Method::PATCH, Method::TRACE] {
                    for status in [StatusCode::OK, StatusCode::NOT_FOUND] {
                        answers.count(Some(&method), status, Duration::ZERO);
                    }
                }
            });
        }
    });
    let mut counted: Vec<_> =
        answers.series().map(|series| (series.method, series.status.as_u16(), series.took.total())).collect();
    counted.sort_unstable();
    assert_eq!(counted, [("PUT", 200, 4), ("PUT", 404, 4), ("other", 200, 8), ("other", 404, 8)]);
}

#[test]
fn smtp_replies_are_counted_by_code_class() {
    let before: Vec<u64> = REPLIES.counts.iter().map(Counter::value).collect();
    for reply in ["250 ok", "451 later", "550 no", "552", "Connection error: 250", "25", "no final reply"] {
        count_smtp_reply(reply);
    }
    let counted: Vec<u64> =
        REPLIES.counts.iter().zip(before).map(|(now, before)| now.value() - before).collect();
    assert_eq!(counted, [1, 1, 2, 3]);
}
