## The language, in itself

language-name = Nederlands

## Dates

date = { $day }{"\u00A0"}{ $month } { $year }, { $time }{"\u00A0"}uur (UTC)
day-1 = 1
month-1 = januari
month-2 = februari
month-3 = maart
month-4 = april
month-5 = mei
month-6 = juni
month-7 = juli
month-8 = augustus
month-9 = september
month-10 = oktober
month-11 = november
month-12 = december

## Mails

greeting = Goedendag,
invitation-next = De knop opent een pagina waarop u de uitnodiging kunt accepteren. Daarmee bevestigt u ook dat dit e-mailadres van u is.
invitation-next-link = Open deze link in uw browser om de uitnodiging te accepteren en te bevestigen dat dit e-mailadres van u is:
invitation-open = Uitnodiging bekijken
invitation-button = Uitnodiging accepteren
link-fallback = Werkt de knop niet? Kopieer dan deze link naar uw browser:
referral-code = Aanbevelingscode: { $code }
referral-code-note = U hebt deze code alleen nodig als u zich zonder de link hierboven registreert.
invitation-expires = De uitnodiging is geldig tot { $date }.
invitation-unexpected = Had u deze e-mail niet verwacht? Dan kunt u hem negeren: zolang u de uitnodiging niet accepteert, gebeurt er niets.
sent-to = Deze e-mail is verstuurd naar { $address }.
imprint = Juridische informatie
privacy = Privacy
contact = Contact opnemen met { $app }

## Invite

invite-subject = Uw uitnodiging voor { $app }
invite-subject-from = { $inviter } nodigt u uit voor { $app }
invite-preheader = Bevestig uw e-mailadres en u kunt aan de slag.
invite-what = U bent uitgenodigd voor { $app }.
invite-what-from = { $inviter } heeft u uitgenodigd voor { $app }.

## Referral

referral-subject = { $app } is u aanbevolen
referral-subject-from = { $inviter } raadt u { $app } aan
referral-preheader = Neem een kijkje – het duurt maar even.
referral-what = Iemand die { $app } gebruikt, denkt dat het ook iets voor u is en heeft u uitgenodigd.
referral-what-from = { $inviter } gebruikt { $app } en nodigt u uit om het ook te proberen.
referral-next = De knop opent een pagina waarop u de uitnodiging kunt accepteren. Daarmee maakt u uw account aan en bevestigt u dat dit e-mailadres van u is.
referral-next-link = Open deze link in uw browser om de uitnodiging te accepteren, uw account aan te maken en te bevestigen dat dit e-mailadres van u is:
referral-unexpected = Had u deze e-mail niet verwacht? Dan kunt u hem negeren: zolang u de uitnodiging niet accepteert, wordt er geen account aangemaakt.

## The end of a referral

opt-out = Geen uitnodigingen meer van gebruikers van { $app }
opt-out-link = Open deze link in uw browser om geen uitnodigingen meer van gebruikers van { $app } te krijgen:

## The page behind that link

opt-out-ask-heading = Geen uitnodigingen voor { $app } meer?
opt-out-ask-text = Gebruikers van { $app } kunnen u dan geen uitnodigingen meer sturen. Niemand krijgt hier bericht van.
opt-out-button = Geen uitnodigingen meer
opt-out-done-heading = U wordt niet meer uitgenodigd
opt-out-done-text = Gebruikers van { $app } kunnen geen uitnodigingen meer naar uw e-mailadres sturen.
opt-out-undo = Uitnodigingen weer toestaan
opt-out-undone-heading = Uitnodigingen zijn weer toegestaan
opt-out-undone-text = Gebruikers van { $app } kunnen weer uitnodigingen naar uw e-mailadres sturen.

## The page behind the link

open-heading = Uw uitnodiging voor { $app }
open-address = Deze uitnodiging is verstuurd naar { $address }.
open-note = Door de uitnodiging te accepteren, bevestigt u dat dit e-mailadres van u is.
referral-note = Door de uitnodiging te accepteren, maakt u een account bij { $app } aan en bevestigt u dat dit e-mailadres van u is.
unexpected-page = Had u deze uitnodiging niet verwacht? Sluit dan gewoon deze pagina: er gebeurt niets.
accepted-heading = Hartelijk dank!
accepted-text = Uw e-mailadres is bevestigd. Welkom bij { $app }!
close-page = U kunt deze pagina nu sluiten.
continue = Verder naar { $app }
already-heading = Uitnodiging al geaccepteerd
already-text = U hebt deze uitnodiging voor { $app } al geaccepteerd. U hoeft verder niets te doen.
expired-heading = Deze uitnodiging is verlopen
expired-text = Klik op de knop om op hetzelfde adres een nieuwe uitnodiging voor { $app } te ontvangen.
renew = Nieuwe uitnodiging sturen
renewed-heading = Kijk in uw inbox
renewed-text = Een nieuwe uitnodiging voor { $app } is onderweg naar hetzelfde adres. Is er kort geleden al een verstuurd? Gebruik dan die.
unknown-heading = Deze link werkt niet
unknown-text = Misschien is hij niet volledig of is de uitnodiging ingetrokken. Controleer of u de hele link uit de e-mail hebt geopend, of vraag om een nieuwe uitnodiging.
link-unknown-text = Misschien is hij niet volledig. Controleer of u de hele link uit de e-mail hebt geopend.
member-heading = U hebt al een account
member-text = Dit e-mailadres hoort al bij een account bij { $app }. Log gewoon in zoals altijd.
trouble-heading = Probeer het zo meteen opnieuw
trouble-text = Er is bij ons iets misgegaan. Er is niets verloren gegaan: open de link over een paar minuten opnieuw.

## The mail that confirms a new address

confirmation-subject = Bevestig uw nieuwe e-mailadres voor { $app }
confirmation-preheader = Het duurt maar even.
confirmation-what = Dit e-mailadres is opgegeven voor een account bij { $app }.
confirmation-next = De knop opent een pagina waarop u kunt bevestigen dat dit e-mailadres van u is.
confirmation-next-link = Open deze link in uw browser om te bevestigen dat dit e-mailadres van u is:
confirmation-button = Adres bevestigen
confirmation-expires = De link is geldig tot { $date }.
confirmation-unexpected = Had u deze e-mail niet verwacht? Dan kunt u hem negeren: het adres wordt niet bevestigd.

## The mail to the former address

notice-subject = Het e-mailadres van uw account bij { $app } is gewijzigd
notice-preheader = Was u het niet? Neem dan meteen contact op.
notice-what = Uw account bij { $app } heeft nu een ander e-mailadres in plaats van dit adres.
notice-next = Hebt u het zelf gewijzigd, dan hoeft u verder niets te doen.
notice-unexpected = Was u het niet? Neem dan meteen contact op met { $app }.
notice-contact = Was u het niet? Mail dan meteen naar { $address }.

## The mail to who has an address that another user asked for

taken-subject = Uw e-mailadres is nog een keer opgegeven bij { $app }
taken-preheader = Er is niets veranderd.
taken-what = Dit e-mailadres is opgegeven voor een ander account bij { $app }. Het hoort bij uw account en dat blijft zo.
taken-next = Hebt u dit zelf gedaan? Kies dan een ander adres voor het andere account.
taken-unexpected = Was u het niet? Dan hoeft u niets te doen. Gebeurt het opnieuw, neem dan contact op met { $app }.
taken-contact = Was u het niet? Dan hoeft u niets te doen. Gebeurt het opnieuw, schrijf dan naar { $address }.

## The page that confirms a new address

confirm-heading = Is dit uw e-mailadres?
confirm-address = { $address } is opgegeven voor een account bij { $app }.
confirm-unexpected = Had u dit niet verwacht? Sluit dan gewoon deze pagina: er gebeurt niets.
confirmed-text = Uw e-mailadres is bevestigd.
confirmed-before-heading = Al bevestigd
confirmed-before-text = U hebt dit e-mailadres al bevestigd. U hoeft verder niets te doen.
confirm-expired-heading = Deze link is verlopen
confirm-expired-text = Vraag { $app } om een nieuwe link.
confirm-taken-heading = Dit adres kan niet meer worden gebruikt
confirm-taken-text = Het hoort nu bij een ander account bij { $app }. Uw account behoudt het vorige adres.
confirm-unknown-text = Misschien is hij niet volledig of is hij vervangen door een nieuwere. Controleer of u de hele link uit de nieuwste e-mail hebt geopend.
confirm-trouble-text = Er is bij ons iets misgegaan. Er is niets verloren gegaan: open de link over een paar minuten opnieuw.
