"""What a schema cannot say in full: strings of the document's formats, and answers that depend on the store."""

import os

import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

# Error codes for valid bodies that conflict with the data in the database.
OF_THE_STORE = {
    "email_taken",
    "already_accepted",
    "own_address",
    "external_subject_taken",
    "invite_accepted",
    "invite_revoked",
    "invite_expired",
    "account_exists",
    "unknown_referral_code",
    "own_referral_code",
    "already_verified",
    "other_address",
}

LOCAL = r"[a-z0-9!#$%&'*+=?^_`{|}~-]{1,32}(\.[A-Z0-9]{1,8}){0,2}"
DOMAIN = r"([a-z0-9]{1,20}\.){1,3}(example|com|de)"
TAGS = ["de", "EN-us", "zh-Hant", "sr-Latn-RS", "x-private", "sl-rozaj-biske", "und"]
HOST = r"([a-z0-9]{1,20}\.){1,3}example(:[1-9][0-9]{0,3})?"


def text(pattern: str) -> st.SearchStrategy[str]:
    return st.from_regex(pattern, fullmatch=True)


# Most generated ids exist.
demo = st.sampled_from([os.environ["DEMO_APP"], os.environ["DEMO_USER"]])
schemathesis.openapi.format("uuid", st.one_of(demo, demo, st.uuids().map(str)))
schemathesis.openapi.format("email", text(f"{LOCAL}@{DOMAIN}"))
schemathesis.openapi.format("language", st.sampled_from([*TAGS, "DE", "US"]))
schemathesis.openapi.format("locale", st.sampled_from([*TAGS, "pt_BR"]))
schemathesis.openapi.format("uri", text(f"https?://{HOST}(/[a-z0-9é%._~-]{{0,20}}){{0,3}}"))
schemathesis.openapi.format("time-zone", st.sampled_from(["Europe/Berlin", "utc", "America/New_York", "Asia/Kolkata"]))
schemathesis.openapi.format(
    "birthdate", text(r"(0000|19[0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T23:59:60\.5Z)?|[12]0[0-1][0-9]")
)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Where a string has a format, its pattern and its length say only in part what the format above says in full."""
    for schema in raw_schema["components"]["schemas"].values():
        if "format" in schema:
            schema.pop("pattern", None)
            schema.pop("maxLength", None)


@schemathesis.check
def valid_data_is_taken(ctx, response, case):
    if response.status_code == 400:
        code = response.headers.get("x-error-code", [""])[0]
        inviter = (case.query or {}).get("inviterId")
        # schemathesis sends `None` when it follows a link whose value is null, as in a rejected line of a bulk call.
        me_of_a_key = code == "invalid_path" and case.path_parameters.get("userId") in ("me", None, "None")
        me_of_a_key |= code == "invalid_query" and inviter == "me"
        if code in OF_THE_STORE or me_of_a_key:
            return None
    return positive_data_acceptance(ctx, response, case)
