## Dates

date = { $day } { $month } { $year } r., godz. { $time } (UTC)
day-1 = 1
month-1 = stycznia
month-2 = lutego
month-3 = marca
month-4 = kwietnia
month-5 = maja
month-6 = czerwca
month-7 = lipca
month-8 = sierpnia
month-9 = września
month-10 = października
month-11 = listopada
month-12 = grudnia

## Mails

greeting = Dzień dobry,
invitation-next = Aby przyjąć zaproszenie i potwierdzić, że ten adres e-mail należy do Ciebie, kliknij przycisk.
invitation-next-link = Aby przyjąć zaproszenie i potwierdzić, że ten adres e-mail należy do Ciebie, otwórz ten adres w przeglądarce:
invitation-button = Przyjmij zaproszenie
link-fallback = Jeśli przycisk nie działa, skopiuj ten adres do przeglądarki:
referral-code = Kod polecający: { $code }
invitation-expires = Zaproszenie jest ważne do { $date }.
invitation-unexpected = Nie spodziewasz się tej wiadomości? Po prostu ją zignoruj: bez Twojej zgody nic się nie stanie i żadne konto nie zostanie potwierdzone.

## Invite

invite-subject = Zaproszenie do serwisu { $app }
invite-subject-from = { $inviter } zaprasza Cię do serwisu { $app }
invite-preheader = Potwierdź swój adres e-mail i zaczynaj.
invite-what = Otrzymujesz zaproszenie do serwisu { $app }.
invite-what-from = { $inviter } zaprasza Cię do serwisu { $app }.

## Referral

referral-subject = Ktoś poleca Ci serwis { $app }
referral-subject-from = { $inviter } poleca Ci serwis { $app }
referral-preheader = Zajrzyj – to zajmie tylko chwilę.
referral-what = Ktoś, kto korzysta z serwisu { $app }, uważa, że spodoba się on także Tobie, i zaprasza Cię do dołączenia.
referral-what-from = { $inviter } korzysta z serwisu { $app }, uważa, że spodoba się on także Tobie, i zaprasza Cię do dołączenia.

## The end of a referral

opt-out = Nie otrzymuj więcej zaproszeń od osób korzystających z serwisu { $app }
opt-out-link = Aby nie otrzymywać więcej zaproszeń od osób korzystających z serwisu { $app }, otwórz ten adres w przeglądarce:

## The page behind that link

opt-out-ask-heading = Bez zaproszeń do serwisu { $app }?
opt-out-ask-text = Osoby korzystające z serwisu { $app } nie będą już mogły wysyłać Ci zaproszeń. Nikt się o tym nie dowie.
opt-out-button = Nie zapraszajcie mnie więcej
opt-out-done-heading = Nie otrzymasz więcej zaproszeń
opt-out-done-text = Osoby korzystające z serwisu { $app } nie mogą już wysyłać zaproszeń na Twój adres e-mail. Możesz już zamknąć tę stronę.
opt-out-undo = Zezwól ponownie na zaproszenia
opt-out-undone-heading = Zaproszenia są znów dozwolone
opt-out-undone-text = Osoby korzystające z serwisu { $app } mogą znów wysyłać zaproszenia na Twój adres e-mail.

## The page behind the link

open-heading = Witamy w serwisie { $app }
open-address = To zaproszenie wysłano na adres { $address }.
open-note = Przyjmując je, potwierdzasz, że ten adres e-mail należy do Ciebie.
unexpected-page = Nie spodziewasz się tego zaproszenia? Po prostu zamknij tę stronę: nic się nie stanie.
accepted-heading = Dziękujemy!
accepted-text = Twój adres e-mail jest potwierdzony. Witamy w serwisie { $app }! Możesz już zamknąć tę stronę.
already-heading = Zaproszenie jest już przyjęte
already-text = To zaproszenie do serwisu { $app } zostało już przyjęte. Nie trzeba robić nic więcej.
expired-heading = To zaproszenie wygasło
expired-text = Aby otrzymać na ten sam adres nowe zaproszenie do serwisu { $app }, kliknij przycisk.
renew = Wyślij nową wiadomość
renewed-heading = Sprawdź swoją skrzynkę
renewed-text = Nowe zaproszenie do serwisu { $app } zostanie wysłane na zaproszony adres, chyba że niedawno już je wysłano.
unknown-heading = Ten link nie działa
unknown-text = Może jest niekompletny albo zaproszenie zostało wycofane. Sprawdź, czy otwarty został cały adres z wiadomości e-mail.
member-heading = Masz już konto
member-text = Ten adres e-mail należy już do konta w serwisie { $app }. Zaloguj się jak zwykle.
trouble-heading = Spróbuj ponownie za chwilę
trouble-text = Coś po naszej stronie chwilowo nie działa. Twoje zaproszenie nie przepadło.

## The mail that confirms a new address

confirmation-subject = Potwierdź nowy adres e-mail w serwisie { $app }
confirmation-preheader = Wystarczy jedno kliknięcie.
confirmation-what = Ten adres e-mail podano dla Twojego konta w serwisie { $app }.
confirmation-next = Aby potwierdzić, że ten adres e-mail należy do Ciebie, kliknij przycisk.
confirmation-next-link = Aby potwierdzić, że ten adres e-mail należy do Ciebie, otwórz ten adres w przeglądarce:
confirmation-button = Potwierdź adres
confirmation-expires = Link jest ważny do { $date }.
confirmation-unexpected = Nie spodziewasz się tej wiadomości? Po prostu ją zignoruj: adres pozostanie niepotwierdzony.

## The mail to the former address

notice-subject = Zmieniono Twój adres e-mail w serwisie { $app }
notice-preheader = Jeśli to Twoja zmiana, nie trzeba robić nic więcej.
notice-what = Twoje konto w serwisie { $app } ma teraz inny adres e-mail. Dotychczas był to ten adres.
notice-next = Jeśli to Twoja zmiana, nie trzeba robić nic więcej.
notice-unexpected = Jeśli to nie Twoja zmiana, niezwłocznie skontaktuj się z serwisem { $app }.
notice-contact = Jeśli to nie Twoja zmiana, niezwłocznie napisz na adres { $address }.

## The mail to who has an address that another user asked for

taken-subject = Twój adres e-mail podano ponownie w serwisie { $app }
taken-preheader = Nic się nie zmieniło.
taken-what = Ten adres e-mail podano dla innego konta w serwisie { $app }. Należy on do Twojego konta i tak pozostanie.
taken-next = Jeśli to Twoje działanie, wybierz dla tamtego konta inny adres.
taken-unexpected = Jeśli to nie Twoje działanie, nie trzeba nic robić. Jeśli to się powtórzy, skontaktuj się z serwisem { $app }.
taken-contact = Jeśli to nie Twoje działanie, nie trzeba nic robić. Jeśli to się powtórzy, napisz na adres { $address }.

## The page that confirms a new address

confirm-heading = Czy to Twój adres e-mail?
confirm-address = Adres { $address } podano dla Twojego konta w serwisie { $app }.
confirm-unexpected = Nie spodziewasz się tego? Po prostu zamknij tę stronę: nic się nie stanie.
confirmed-text = Twój adres e-mail jest potwierdzony. Możesz już zamknąć tę stronę.
confirmed-before-heading = Adres jest już potwierdzony
confirmed-before-text = Ten adres e-mail został już potwierdzony. Nie trzeba robić nic więcej.
confirm-expired-heading = Ten link wygasł
confirm-expired-text = Poproś o nowy link w serwisie { $app }.
confirm-taken-heading = Tego adresu nie można już użyć
confirm-taken-text = Należy on teraz do innego konta w serwisie { $app }. Twoje konto zachowuje dotychczasowy adres.
confirm-unknown-text = Może jest niekompletny albo zastąpił go nowszy link lub inny adres. Sprawdź, czy otwarty został cały adres z najnowszej wiadomości e-mail.
confirm-trouble-text = Coś po naszej stronie chwilowo nie działa. Twój link nie przepadł.
