## The language, in itself

language-name = Polski

## Dates

date = { $day }{"\u00A0"}{ $month } { $year }{"\u00A0"}r., godz.{"\u00A0"}{ $time } (UTC)
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

greeting = Dzień dobry!
invitation-next = Przycisk otwiera stronę, na której możesz przyjąć zaproszenie. Przyjmując je, potwierdzasz też, że ten adres e-mail należy do Ciebie.
invitation-next-link = Aby przyjąć zaproszenie i potwierdzić, że ten adres e-mail należy do Ciebie, otwórz ten link w przeglądarce:
invitation-open = Zobacz zaproszenie
invitation-button = Przyjmij zaproszenie
link-fallback = Jeśli przycisk nie działa, skopiuj ten link do przeglądarki:
referral-code = Kod polecenia: { $code }
referral-code-note = Kod jest potrzebny tylko przy rejestracji bez powyższego linku.
invitation-expires = Zaproszenie jest ważne do { $date }.
invitation-unexpected = Nie wiesz, skąd ta wiadomość? Po prostu ją zignoruj: dopóki nie przyjmiesz zaproszenia, nic się nie stanie.
sent-to = Tę wiadomość wysłano na adres { $address }.
imprint = Informacje prawne
privacy = Prywatność
contact = Kontakt: { $app }

## Invite

invite-subject = Zaproszenie do serwisu { $app }
invite-subject-from = { $inviter } zaprasza Cię do serwisu { $app }
invite-preheader = Przyjmij zaproszenie i zacznij korzystać.
invite-what = Otrzymujesz zaproszenie do serwisu { $app }.
invite-what-from = { $inviter } zaprasza Cię do serwisu { $app }.

## Referral

referral-subject = Ktoś poleca Ci serwis { $app }
referral-subject-from = { $inviter } poleca Ci serwis { $app }
referral-preheader = Zajrzyj – to zajmie tylko chwilę.
referral-what = Ktoś, kto korzysta z serwisu { $app }, uważa, że spodoba się on także Tobie, i zaprasza Cię do dołączenia.
referral-what-from = { $inviter } korzysta z serwisu { $app }, uważa, że spodoba się on także Tobie, i zaprasza Cię do dołączenia.
referral-next = Przycisk otwiera stronę, na której możesz przyjąć zaproszenie. Przyjmując je, zakładasz konto i potwierdzasz, że ten adres e-mail należy do Ciebie.
referral-next-link = Aby przyjąć zaproszenie, założyć konto i potwierdzić, że ten adres e-mail należy do Ciebie, otwórz ten link w przeglądarce:
referral-unexpected = Nie wiesz, skąd ta wiadomość? Po prostu ją zignoruj: dopóki nie przyjmiesz zaproszenia, żadne konto nie powstanie.

## The end of a referral

opt-out = Nie chcę więcej zaproszeń do serwisu { $app }
opt-out-link = Aby nie otrzymywać więcej zaproszeń do serwisu { $app }, otwórz ten link w przeglądarce:

## The page behind that link

opt-out-ask-heading = Nie chcesz więcej zaproszeń do serwisu { $app }?
opt-out-ask-text = Osoby korzystające z serwisu { $app } nie będą już mogły wysyłać Ci zaproszeń. Nikt się o tym nie dowie.
opt-out-button = Nie chcę więcej zaproszeń
opt-out-done-heading = Nie otrzymasz więcej zaproszeń
opt-out-done-text = Osoby korzystające z serwisu { $app } nie mogą już wysyłać zaproszeń na Twój adres e-mail.
opt-out-undo = Zezwól ponownie na zaproszenia
opt-out-undone-heading = Zaproszenia są znów dozwolone
opt-out-undone-text = Osoby korzystające z serwisu { $app } mogą znów wysyłać zaproszenia na Twój adres e-mail.

## The page behind the link

open-heading = Twoje zaproszenie do serwisu { $app }
open-address = To zaproszenie wysłano na adres { $address }.
open-note = Przyjmując je, potwierdzasz, że ten adres e-mail należy do Ciebie.
referral-note = Przyjmując je, zakładasz konto w serwisie { $app } i potwierdzasz, że ten adres e-mail należy do Ciebie.
unexpected-page = Nie wiesz, skąd to zaproszenie? Po prostu zamknij tę stronę: nic się nie stanie.
accepted-heading = Dziękujemy!
accepted-text = Twój adres e-mail został potwierdzony. Witamy w serwisie { $app }!
close-page = Możesz już zamknąć tę stronę.
continue = Przejdź do serwisu { $app }
already-heading = Zaproszenie jest już przyjęte
already-text = To zaproszenie do serwisu { $app } zostało już przyjęte. Nie trzeba robić nic więcej.
expired-heading = To zaproszenie wygasło
expired-text = Aby otrzymać na ten sam adres nowe zaproszenie do serwisu { $app }, kliknij przycisk.
renew = Wyślij nowe zaproszenie
renewed-heading = Sprawdź swoją skrzynkę
renewed-text = Nowe zaproszenie do serwisu { $app } wysyłamy na ten sam adres. Jeśli przed chwilą wysłano już inne, skorzystaj z niego.
unknown-heading = Ten link nie działa
unknown-text = Może być niepełny albo zaproszenie zostało wycofane. Sprawdź, czy otwierasz cały link z wiadomości, albo poproś o nowe zaproszenie.
link-unknown-text = Może być niepełny. Sprawdź, czy otwierasz cały link z wiadomości.
member-heading = Masz już konto
member-text = Ten adres e-mail należy już do konta w serwisie { $app }. Zaloguj się jak zwykle.
trouble-heading = Spróbuj ponownie za chwilę
trouble-text = Po naszej stronie wystąpił chwilowy problem. Nic nie przepadło: otwórz link ponownie za kilka minut.

## The mail that confirms a new address

confirmation-subject = Potwierdź nowy adres e-mail w serwisie { $app }
confirmation-preheader = To zajmie tylko chwilę.
confirmation-what = Ten adres e-mail podano dla konta w serwisie { $app }.
confirmation-next = Przycisk otwiera stronę, na której możesz potwierdzić, że ten adres e-mail należy do Ciebie.
confirmation-next-link = Aby potwierdzić, że ten adres e-mail należy do Ciebie, otwórz ten link w przeglądarce:
confirmation-button = Potwierdź adres
confirmation-expires = Link jest ważny do { $date }.
confirmation-unexpected = Nie wiesz, skąd ta wiadomość? Po prostu ją zignoruj: adres nie zostanie potwierdzony.

## The mail to the former address

notice-subject = Zmieniono adres e-mail Twojego konta w serwisie { $app }
notice-preheader = To nie Twoja zmiana? Skontaktuj się niezwłocznie.
notice-what = Twoje konto w serwisie { $app } ma teraz inny adres e-mail zamiast tego, na który przyszła ta wiadomość.
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
confirm-address = Adres { $address } podano dla konta w serwisie { $app }.
confirm-unexpected = Nie wiesz, skąd ta prośba? Po prostu zamknij tę stronę: nic się nie stanie.
confirmed-text = Twój adres e-mail został potwierdzony.
confirmed-before-heading = Adres jest już potwierdzony
confirmed-before-text = Ten adres e-mail został już potwierdzony. Nie trzeba robić nic więcej.
confirm-expired-heading = Ten link wygasł
confirm-expired-text = Poproś o nowy link w serwisie { $app }.
confirm-taken-heading = Tego adresu nie można już użyć
confirm-taken-text = Należy on teraz do innego konta w serwisie { $app }. Twoje konto zachowuje dotychczasowy adres.
confirm-unknown-text = Może być niepełny albo zastąpił go nowszy. Sprawdź, czy otwierasz cały link z najnowszej wiadomości.
confirm-trouble-text = Po naszej stronie wystąpił chwilowy problem. Nic nie przepadło: otwórz link ponownie za kilka minut.
