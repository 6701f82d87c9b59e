## The language, in itself

language-name = English

## Dates

date = { $day }{"\u00A0"}{ $month }{"\u00A0"}{ $year }, { $time }{"\u00A0"}(UTC)
day-1 = 1
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December

## Mails

greeting = Hello,
invitation-next = The button opens a page where you can accept the invitation. Accepting also confirms that this email address is yours.
invitation-next-link = To accept the invitation and confirm that this email address is yours, open this link in your browser:
invitation-open = View the invitation
invitation-button = Accept invitation
link-fallback = Button not working? Copy this link into your browser:
referral-code = Referral code: { $code }
referral-code-note = You only need this code if you sign up without the link above.
invitation-expires = This invitation expires on { $date }.
invitation-unexpected = Not expecting this email? You can safely ignore it. Nothing happens unless you accept.
sent-to = This email was sent to { $address }.
imprint = Legal notice
privacy = Privacy
contact = Contact { $app }

## Invite

invite-subject = You have been invited to join { $app }
invite-subject-from = { $inviter } has invited you to join { $app }
invite-preheader = Accept the invitation to get started.
invite-what = You have been invited to join { $app }.
invite-what-from = { $inviter } has invited you to join { $app }.

## Referral

referral-subject = You have been invited to try { $app }
referral-subject-from = { $inviter } invites you to try { $app }
referral-preheader = Take a look and join if you like it.
referral-what = Someone who uses { $app } thinks you would like it too and has invited you to join.
referral-what-from = { $inviter } uses { $app } and has invited you to join.
referral-next = The button opens a page where you can accept the invitation. Accepting creates your account and confirms that this email address is yours.
referral-next-link = To accept the invitation, create your account and confirm that this email address is yours, open this link in your browser:
referral-unexpected = Not expecting this email? You can safely ignore it. No account is created unless you accept.

## The end of a referral

opt-out = Stop invitations from { $app } users
opt-out-link = To stop invitations from { $app } users, open this link in your browser:

## The page behind that link

opt-out-ask-heading = Stop invitations to { $app }?
opt-out-ask-text = { $app } users will no longer be able to send you invitations. Nobody will be told.
opt-out-button = Stop invitations
opt-out-done-heading = You will not be invited again
opt-out-done-text = { $app } users can no longer send invitations to your email address.
opt-out-undo = Allow invitations again
opt-out-undone-heading = Invitations are allowed again
opt-out-undone-text = { $app } users can send invitations to your email address again.

## The page behind the link

open-heading = Your invitation to { $app }
open-address = This invitation was sent to { $address }.
open-note = By accepting, you confirm that this email address is yours.
referral-note = By accepting, you create an account at { $app } and confirm that this email address is yours.
unexpected-page = Not expecting this invitation? Just close this page – nothing will happen.
accepted-heading = Thank you!
accepted-text = Your email address is confirmed. Welcome to { $app }!
close-page = You can close this page now.
continue = Continue to { $app }
already-heading = Already accepted
already-text = You have already accepted this invitation to { $app }. There is nothing more to do.
expired-heading = This invitation has expired
expired-text = We can send a new invitation to { $app } to the same email address.
renew = Send a new invitation
renewed-heading = Check your inbox
renewed-text = We are sending a new invitation to { $app } to the same address, unless one was sent a moment ago.
unknown-heading = This link does not work
unknown-text = It may be incomplete, or the invitation has been withdrawn. Please check that you opened the full link from the email, or ask for a new invitation.
link-unknown-text = It may be incomplete. Please check that you opened the full link from the email.
member-heading = You already have an account
member-text = There is already an account at { $app } with this email address. Just sign in as usual.
trouble-heading = Please try again in a moment
trouble-text = Something went wrong on our side. Nothing is lost: please open the link again in a few minutes.

## The mail that confirms a new address

confirmation-subject = Please confirm your new email address for { $app }
confirmation-preheader = It only takes a moment.
confirmation-what = This email address was entered for an account at { $app }.
confirmation-next = The button opens a page where you can confirm that this email address is yours.
confirmation-next-link = To confirm that this email address is yours, open this link in your browser:
confirmation-button = Confirm address
confirmation-expires = The link works until { $date }.
confirmation-unexpected = Not expecting this email? You can safely ignore it. The address will not be confirmed.

## The mail to the former address

notice-subject = The email address of your { $app } account was changed
notice-preheader = Not you? Then please get in touch at once.
notice-what = Your { $app } account now uses another email address instead of this one.
notice-next = If you made this change, there is nothing more to do.
notice-unexpected = If you did not make this change, please contact { $app } at once.
notice-contact = If you did not make this change, please write to { $address } at once.

## The mail to who has an address that another user asked for

taken-subject = Your email address was entered at { $app } again
taken-preheader = Nothing has changed.
taken-what = Someone entered this email address for another account at { $app }. It belongs to your account and stays with it.
taken-next = If it was you, please choose a different address for the other account.
taken-unexpected = If it was not you, there is nothing left to do. If it happens again, please contact { $app }.
taken-contact = If it was not you, there is nothing left to do. If it happens again, please write to { $address }.

## The page that confirms a new address

confirm-heading = Is this your email address?
confirm-address = { $address } was entered for an account at { $app }.
confirm-unexpected = Not expecting this? Just close this page – nothing will happen.
confirmed-text = Your email address is confirmed.
confirmed-before-heading = Already confirmed
confirmed-before-text = You have already confirmed this email address. There is nothing more to do.
confirm-expired-heading = This link has expired
confirm-expired-text = Please ask { $app } for a new one.
confirm-taken-heading = This address cannot be used any more
confirm-taken-text = It now belongs to another account at { $app }. Your account keeps its previous address.
confirm-unknown-text = It may be incomplete, or a newer one has replaced it. Please check that you opened the full link from the latest email.
confirm-trouble-text = Something went wrong on our side. Nothing is lost: please open the link again in a few minutes.
