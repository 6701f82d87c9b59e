#!/bin/sh
# Invites $1, gets them an access token, and with it changes their profile and refers the app to $2.
set -eu

call() { # METHOD PATH BODY HEADER…: the body of a success; an error ends the script
    method=$1 path=$2 body=$3
    shift 3
    curl --silent --show-error --fail-with-body --retry 3 --request "$method" "$USERDOCKS_URL/v1$path" \
        --header "Content-Type: application/json" --data "$body" "$@"
}
# A key is for a backend: never put it into a page or an app.
as_app() { call "$@" --header "X-CLIENT-ID: $USERDOCKS_APP" --header "X-API-KEY-TYPE: write" --header "X-API-KEY: $USERDOCKS_KEY"; }
as_user() { call "$@" --header "Authorization: Bearer $token"; }

# An id that nobody has becomes the new user's. The same call again is safe: same id and address, same user.
user=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)
as_app POST "/users/$user" "{\"email\":\"$1\",\"language\":\"en\"}" >/dev/null
echo "invited $1 as $user"

token=$(as_app POST "/users/$user/tokens" "" | sed 's/.*"accessToken":"\([^"]*\)".*/\1/')
as_user PUT /users/me '{"user":{"given_name":"Ada","family_name":"Lovelace","zoneinfo":"europe/london"}}' >/dev/null
echo "updated the profile"

# With a key of its own a request can be repeated: it has one effect and one answer.
as_user POST /users/me/referral-invites "{\"email\":\"$2\",\"language\":\"de\"}" \
    --header "Idempotency-Key: \"$user-1\"" >/dev/null
echo "referred $2"
