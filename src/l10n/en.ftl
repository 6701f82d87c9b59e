## Dates

date = { $day } { $month } { $year }, { $time } (UTC)
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
invitation-next = Press the button to accept the invitation and confirm that this e-mail address is yours.
invitation-next-link = To accept the invitation and confirm that this e-mail address is yours, open this address in your browser:
invitation-button = Accept the invitation
link-fallback = If the button does not work, copy this address into your browser:
referral-code = Referral code: { $code }
invitation-expires = The invitation is valid until { $date }.
invitation-unexpected = You did not expect this e-mail? Then simply ignore it: unless you accept, nothing happens, and no account is confirmed.

## Invite

invite-subject = You are invited to { $app }
invite-subject-from = { $inviter } invites you to { $app }
invite-preheader = Confirm your e-mail address and get started.
invite-what = You have been invited to { $app }.
invite-what-from = { $inviter } has invited you to { $app }.

## Referral

referral-subject = { $app } was recommended to you
referral-subject-from = { $inviter } recommends { $app } to you
referral-preheader = Have a look – it only takes a moment.
referral-what = Someone who uses { $app } thinks you will like it, and invites you to join.
referral-what-from = { $inviter } uses { $app }, thinks you will like it, and invites you to join.

## The end of a referral

opt-out = Never be invited to { $app } by its users again
opt-out-link = To never be invited to { $app } by its users again, open this address in your browser:

## The page behind that link

opt-out-ask-heading = No more invitations to { $app }?
opt-out-ask-text = Users of { $app } can then no longer send you invitations. Nobody is told about it.
opt-out-button = Never invite me again
opt-out-done-heading = You will not be invited again
opt-out-done-text = Users of { $app } can no longer send invitations to your e-mail address. You can close this page now.
opt-out-undo = Allow invitations again
opt-out-undone-heading = Invitations are allowed again
opt-out-undone-text = Users of { $app } can send invitations to your e-mail address again.

## The page behind the link

open-heading = Welcome to { $app }
open-address = This invitation was sent to { $address }.
open-note = By accepting, you confirm that this e-mail address is yours.
unexpected-page = You did not expect this invitation? Then simply close this page: nothing happens.
accepted-heading = Thank you!
accepted-text = Your e-mail address is confirmed. Welcome to { $app } – you can close this page now.
already-heading = Already accepted
already-text = You have accepted this invitation to { $app } before. There is nothing left to do.
expired-heading = This invitation has expired
expired-text = Press the button to have a new invitation to { $app } sent to the same address.
renew = Send me a new e-mail
renewed-heading = Please look into your mailbox
renewed-text = A new invitation to { $app } goes to the address that was invited, unless one was sent a short while ago.
unknown-heading = This link does not work
unknown-text = It may be incomplete, or the invitation has been withdrawn. Please check that you opened the whole address from the e-mail.
member-heading = You already have an account
member-text = This e-mail address already belongs to an account at { $app }. Just sign in as usual.
trouble-heading = Please try again in a moment
trouble-text = Something on our side is not working right now. Your invitation is not lost.

## The mail that confirms a new address

confirmation-subject = Please confirm your new e-mail address for { $app }
confirmation-preheader = It only takes one press of a button.
confirmation-what = This e-mail address was entered for your account at { $app }.
confirmation-next = Press the button to confirm that this e-mail address is yours.
confirmation-next-link = To confirm that this e-mail address is yours, open this address in your browser:
confirmation-button = Confirm the address
confirmation-expires = The link works until { $date }.
confirmation-unexpected = You did not expect this e-mail? Then simply ignore it: the address stays unconfirmed.

## The mail to the former address

notice-subject = Your e-mail address at { $app } was changed
notice-preheader = If that was you, there is nothing left to do.
notice-what = Your account at { $app } has another e-mail address now. Until now it was this one.
notice-next = If you changed it yourself, there is nothing left to do.
notice-unexpected = If it was not you, please contact { $app } at once.
notice-contact = If it was not you, please write to { $address } at once.

## The mail to who has an address that another user asked for

taken-subject = Your e-mail address was entered at { $app } once more
taken-preheader = Nothing has changed.
taken-what = Someone entered this e-mail address for another account at { $app }. It belongs to your account and stays with it.
taken-next = If it was you, please choose a different address for the other account.
taken-unexpected = If it was not you, there is nothing left to do. If it happens again, please contact { $app }.
taken-contact = If it was not you, there is nothing left to do. If it happens again, please write to { $address }.

## The page that confirms a new address

confirm-heading = Is this your e-mail address?
confirm-address = { $address } was entered for your account at { $app }.
confirm-unexpected = You did not expect this? Then simply close this page: nothing happens.
confirmed-text = Your e-mail address is confirmed. You can close this page now.
confirmed-before-heading = Already confirmed
confirmed-before-text = You have confirmed this e-mail address before. There is nothing left to do.
confirm-expired-heading = This link has expired
confirm-expired-text = Please ask { $app } for a new one.
confirm-taken-heading = This address cannot be used any more
confirm-taken-text = It now belongs to another account at { $app }. Your account keeps its previous address.
confirm-unknown-text = It may be incomplete, or a newer link or another address has taken its place. Please check that you opened the whole address from the newest e-mail.
confirm-trouble-text = Something on our side is not working right now. Your link is not lost.
