direction = ltr

## Dates

date = { $day } { $month } { $year }, { $time } (UTC)
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

## Both mails

greeting = Hello,
what-next = Press the button to accept the invitation and confirm that this e-mail address is yours.
what-next-link = To accept the invitation and confirm that this e-mail address is yours, open this address in your browser:
accept = Accept the invitation
link-fallback = If the button does not work, copy this address into your browser:
referral-code = Referral code: { $code }
expires = The invitation is valid until { $date }.
unexpected = You did not expect this e-mail? Then simply ignore it: unless you accept, nothing happens, and no account is confirmed.

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
expired-text = You can have a new invitation to { $app } sent to the address that was invited.
renew = Send a new e-mail
renewed-heading = Please look into your mailbox
renewed-text = A new invitation to { $app } goes to the address that was invited, unless one was sent a short while ago.
unknown-heading = This link does not work
unknown-text = It may be incomplete, or the invitation has been withdrawn. Please check that you opened the whole address from the e-mail.
member-heading = You already have an account
member-text = This e-mail address already belongs to an account at { $app }. Just sign in as usual.
trouble-heading = Please try again in a moment
trouble-text = Something on our side is not working right now. Your invitation is not lost.
