## The language, in itself

language-name = Deutsch

## Dates

date = { $day }.{"\u00A0"}{ $month } { $year }, { $time }{"\u00A0"}Uhr (UTC)
day-1 = 1
month-1 = Januar
month-2 = Februar
month-3 = März
month-4 = April
month-5 = Mai
month-6 = Juni
month-7 = Juli
month-8 = August
month-9 = September
month-10 = Oktober
month-11 = November
month-12 = Dezember

## Mails

greeting = Guten Tag!
invitation-next = Die Schaltfläche öffnet eine Seite, auf der Sie die Einladung annehmen können. Damit bestätigen Sie zugleich, dass diese E-Mail-Adresse Ihnen gehört.
invitation-next-link = Um die Einladung anzunehmen und zu bestätigen, dass diese E-Mail-Adresse Ihnen gehört, öffnen Sie bitte diesen Link im Browser:
invitation-open = Einladung ansehen
invitation-button = Einladung annehmen
link-fallback = Falls die Schaltfläche nicht funktioniert, kopieren Sie bitte diesen Link in Ihren Browser:
referral-code = Empfehlungscode: { $code }
referral-code-note = Den Code brauchen Sie nur, wenn Sie sich ohne den Link oben registrieren.
invitation-expires = Die Einladung gilt bis zum { $date }.
invitation-unexpected = Sie haben diese E-Mail nicht erwartet? Dann können Sie sie einfach ignorieren: Solange Sie die Einladung nicht annehmen, geschieht nichts.
sent-to = Diese E-Mail wurde an { $address } gesendet.
imprint = Impressum
privacy = Datenschutz
contact = { $app } kontaktieren

## Invite

invite-subject = Ihre Einladung zu { $app }
invite-subject-from = { $inviter } lädt Sie zu { $app } ein
invite-preheader = Bestätigen Sie Ihre E-Mail-Adresse, und schon kann es losgehen.
invite-what = Sie wurden zu { $app } eingeladen.
invite-what-from = { $inviter } hat Sie zu { $app } eingeladen.

## Referral

referral-subject = { $app } wurde Ihnen empfohlen
referral-subject-from = { $inviter } empfiehlt Ihnen { $app }
referral-preheader = Schauen Sie vorbei – es dauert nur einen Moment.
referral-what = Jemand, der { $app } nutzt, möchte es Ihnen empfehlen und lädt Sie ein.
referral-what-from = { $inviter } nutzt { $app } und lädt Sie ein, es auch auszuprobieren.
referral-next = Die Schaltfläche öffnet eine Seite, auf der Sie die Einladung annehmen können. Damit legen Sie Ihr Konto an und bestätigen, dass diese E-Mail-Adresse Ihnen gehört.
referral-next-link = Um die Einladung anzunehmen, Ihr Konto anzulegen und zu bestätigen, dass diese E-Mail-Adresse Ihnen gehört, öffnen Sie bitte diesen Link im Browser:
referral-unexpected = Sie haben diese E-Mail nicht erwartet? Dann können Sie sie einfach ignorieren: Solange Sie die Einladung nicht annehmen, wird kein Konto angelegt.

## The end of a referral

opt-out = Keine Einladungen zu { $app } mehr erhalten
opt-out-link = Um keine Einladungen zu { $app } mehr zu erhalten, öffnen Sie bitte diesen Link im Browser:

## The page behind that link

opt-out-ask-heading = Keine Einladungen zu { $app } mehr?
opt-out-ask-text = Wer { $app } nutzt, kann Ihnen dann keine Einladungen mehr senden. Niemand erfährt davon.
opt-out-button = Keine Einladungen mehr
opt-out-done-heading = Sie werden nicht mehr eingeladen
opt-out-done-text = Wer { $app } nutzt, kann Ihrer E-Mail-Adresse keine Einladungen mehr senden.
opt-out-undo = Einladungen wieder erlauben
opt-out-undone-heading = Einladungen sind wieder erlaubt
opt-out-undone-text = Wer { $app } nutzt, kann Ihrer E-Mail-Adresse wieder Einladungen senden.

## The page behind the link

open-heading = Ihre Einladung zu { $app }
open-address = Diese Einladung ging an { $address }.
open-note = Mit der Annahme bestätigen Sie, dass diese E-Mail-Adresse Ihnen gehört.
referral-note = Mit der Annahme legen Sie ein Konto bei { $app } an und bestätigen, dass diese E-Mail-Adresse Ihnen gehört.
unexpected-page = Sie haben diese Einladung nicht erwartet? Dann schließen Sie einfach diese Seite: Es geschieht nichts.
accepted-heading = Vielen Dank!
accepted-text = Ihre E-Mail-Adresse ist bestätigt. Willkommen bei { $app }!
close-page = Sie können diese Seite nun schließen.
continue = Weiter zu { $app }
already-heading = Bereits angenommen
already-text = Sie haben diese Einladung zu { $app } schon angenommen. Es ist nichts weiter zu tun.
expired-heading = Diese Einladung ist abgelaufen
expired-text = Über die Schaltfläche können Sie sich eine neue Einladung zu { $app } an dieselbe Adresse schicken lassen.
renew = Neue Einladung senden
renewed-heading = Bitte sehen Sie in Ihrem Postfach nach
renewed-text = Eine neue Einladung zu { $app } geht an dieselbe Adresse. Falls vor Kurzem schon eine verschickt wurde, verwenden Sie bitte diese.
unknown-heading = Dieser Link funktioniert nicht
unknown-text = Vielleicht ist er unvollständig, oder die Einladung wurde zurückgezogen. Bitte prüfen Sie, ob Sie den ganzen Link aus der E-Mail geöffnet haben, oder bitten Sie um eine neue Einladung.
link-unknown-text = Vielleicht ist er unvollständig. Bitte prüfen Sie, ob Sie den ganzen Link aus der E-Mail geöffnet haben.
member-heading = Sie haben bereits ein Konto
member-text = Diese E-Mail-Adresse gehört schon zu einem Konto bei { $app }. Melden Sie sich einfach wie gewohnt an.
trouble-heading = Bitte versuchen Sie es gleich noch einmal
trouble-text = Bei uns ist gerade ein Fehler aufgetreten. Es ist nichts verloren gegangen: Bitte öffnen Sie den Link in ein paar Minuten noch einmal.

## The mail that confirms a new address

confirmation-subject = Bitte bestätigen Sie Ihre neue E-Mail-Adresse für { $app }
confirmation-preheader = Das dauert nur einen Moment.
confirmation-what = Diese E-Mail-Adresse wurde für ein Konto bei { $app } angegeben.
confirmation-next = Die Schaltfläche öffnet eine Seite, auf der Sie bestätigen können, dass diese E-Mail-Adresse Ihnen gehört.
confirmation-next-link = Um zu bestätigen, dass diese E-Mail-Adresse Ihnen gehört, öffnen Sie bitte diesen Link im Browser:
confirmation-button = Adresse bestätigen
confirmation-expires = Der Link gilt bis zum { $date }.
confirmation-unexpected = Sie haben diese E-Mail nicht erwartet? Dann können Sie sie einfach ignorieren: Die Adresse wird nicht bestätigt.

## The mail to the former address

notice-subject = Die E-Mail-Adresse Ihres Kontos bei { $app } wurde geändert
notice-preheader = Das waren nicht Sie? Dann melden Sie sich bitte sofort.
notice-what = Für Ihr Konto bei { $app } gilt jetzt eine andere E-Mail-Adresse statt dieser.
notice-next = Wenn Sie die Adresse selbst geändert haben, ist nichts weiter zu tun.
notice-unexpected = Wenn Sie das nicht waren, wenden Sie sich bitte sofort an { $app }.
notice-contact = Wenn Sie das nicht waren, schreiben Sie bitte sofort an { $address }.

## The mail to who has an address that another user asked for

taken-subject = Ihre E-Mail-Adresse wurde bei { $app } erneut angegeben
taken-preheader = Es hat sich nichts geändert.
taken-what = Diese E-Mail-Adresse wurde für ein anderes Konto bei { $app } angegeben. Sie gehört zu Ihrem Konto, und dabei bleibt es.
taken-next = Wenn Sie das selbst waren, wählen Sie für das andere Konto bitte eine andere Adresse.
taken-unexpected = Wenn Sie das nicht waren, ist nichts weiter zu tun. Sollte es wieder vorkommen, wenden Sie sich bitte an { $app }.
taken-contact = Wenn Sie das nicht waren, ist nichts weiter zu tun. Sollte es wieder vorkommen, schreiben Sie bitte an { $address }.

## The page that confirms a new address

confirm-heading = Ist das Ihre E-Mail-Adresse?
confirm-address = { $address } wurde für ein Konto bei { $app } angegeben.
confirm-unexpected = Sie haben das nicht erwartet? Dann schließen Sie einfach diese Seite: Es geschieht nichts.
confirmed-text = Ihre E-Mail-Adresse ist bestätigt.
confirmed-before-heading = Bereits bestätigt
confirmed-before-text = Sie haben diese E-Mail-Adresse schon bestätigt. Es ist nichts weiter zu tun.
confirm-expired-heading = Dieser Link ist abgelaufen
confirm-expired-text = Bitte fordern Sie bei { $app } einen neuen an.
confirm-taken-heading = Diese Adresse kann nicht mehr verwendet werden
confirm-taken-text = Sie gehört inzwischen zu einem anderen Konto bei { $app }. Ihr Konto behält seine bisherige Adresse.
confirm-unknown-text = Vielleicht ist er unvollständig oder wurde durch einen neueren ersetzt. Bitte prüfen Sie, ob Sie den ganzen Link aus der neuesten E-Mail geöffnet haben.
confirm-trouble-text = Bei uns ist gerade ein Fehler aufgetreten. Es ist nichts verloren gegangen: Bitte öffnen Sie den Link in ein paar Minuten noch einmal.
