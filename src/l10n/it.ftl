## The language, in itself

language-name = Italiano

## Dates

date = { $day }{"\u00A0"}{ $month } { $year }, ore{"\u00A0"}{ $time }{"\u00A0"}(UTC)
day-1 = 1º
month-1 = gennaio
month-2 = febbraio
month-3 = marzo
month-4 = aprile
month-5 = maggio
month-6 = giugno
month-7 = luglio
month-8 = agosto
month-9 = settembre
month-10 = ottobre
month-11 = novembre
month-12 = dicembre

## Mails

greeting = Buongiorno,
invitation-next = Il pulsante apre una pagina in cui può accettare l’invito. Accettandolo, conferma anche che questo indirizzo e-mail è suo.
invitation-next-link = Per accettare l’invito e confermare che questo indirizzo e-mail è suo, apra questo link nel browser:
invitation-open = Vedi l’invito
invitation-button = Accetta l’invito
link-fallback = Se il pulsante non funziona, copi questo link nel browser:
referral-code = Codice referral: { $code }
referral-code-note = Il codice serve solo se si registra senza usare il link qui sopra.
invitation-expires = Scadenza dell’invito: { $date }.
invitation-unexpected = Non si aspettava questa e-mail? Può ignorarla: se non accetta l’invito, non succede nulla.
sent-to = Questa e-mail è stata inviata a { $address }.
imprint = Note legali
privacy = Privacy
contact = Contatta { $app }

## Invite

invite-subject = Il suo invito per { $app }
invite-subject-from = { $inviter } la invita su { $app }
invite-preheader = Accetti l’invito per iniziare.
invite-what = Ha ricevuto un invito per { $app }.
invite-what-from = { $inviter } la invita su { $app }.

## Referral

referral-subject = Le è stato consigliato { $app }
referral-subject-from = { $inviter } le consiglia { $app }
referral-preheader = Dia un’occhiata: basta un momento.
referral-what = Una persona che usa { $app } pensa che possa piacere anche a lei e la invita a iscriversi.
referral-what-from = { $inviter } usa { $app }, pensa che possa piacere anche a lei e la invita a iscriversi.
referral-next = Il pulsante apre una pagina in cui può accettare l’invito. Accettandolo, crea il suo account e conferma che questo indirizzo e-mail è suo.
referral-next-link = Per accettare l’invito, creare il suo account e confermare che questo indirizzo e-mail è suo, apra questo link nel browser:
referral-unexpected = Non si aspettava questa e-mail? Può ignorarla: se non accetta l’invito, non viene creato nessun account.

## The end of a referral

opt-out = Non ricevere più inviti da chi usa { $app }
opt-out-link = Per non ricevere più inviti da chi usa { $app }, apra questo link nel browser:

## The page behind that link

opt-out-ask-heading = Non vuole più ricevere inviti per { $app }?
opt-out-ask-text = Chi usa { $app } non potrà più inviarle inviti. Nessuno ne verrà informato.
opt-out-button = Non ricevere più inviti
opt-out-done-heading = Non riceverà più inviti
opt-out-done-text = Chi usa { $app } non può più inviare inviti al suo indirizzo e-mail.
opt-out-undo = Consenti di nuovo gli inviti
opt-out-undone-heading = Gli inviti sono di nuovo consentiti
opt-out-undone-text = Chi usa { $app } può di nuovo inviare inviti al suo indirizzo e-mail.

## The page behind the link

open-heading = Il suo invito per { $app }
open-address = Questo invito è stato inviato a { $address }.
open-note = Accettandolo, conferma che questo indirizzo e-mail è suo.
referral-note = Accettandolo, crea un account di { $app } e conferma che questo indirizzo e-mail è suo.
unexpected-page = Non si aspettava questo invito? Chiuda semplicemente questa pagina: non succederà nulla.
accepted-heading = Grazie!
accepted-text = Il suo indirizzo e-mail è confermato. Le diamo il benvenuto su { $app }!
close-page = Ora può chiudere questa pagina.
continue = Continua su { $app }
already-heading = Invito già accettato
already-text = Ha già accettato questo invito per { $app }. Non deve fare altro.
expired-heading = Questo invito è scaduto
expired-text = Prema il pulsante per ricevere un nuovo invito per { $app } allo stesso indirizzo.
renew = Invia un nuovo invito
renewed-heading = Controlli la posta in arrivo
renewed-text = Un nuovo invito per { $app } è in arrivo allo stesso indirizzo. Se ne è appena stato inviato uno, usi quello.
unknown-heading = Questo link non funziona
unknown-text = Forse è incompleto, oppure l’invito è stato ritirato. Verifichi di aver aperto il link completo contenuto nell’e-mail oppure chieda un nuovo invito.
link-unknown-text = Forse è incompleto. Verifichi di aver aperto il link completo contenuto nell’e-mail.
member-heading = Ha già un account
member-text = Questo indirizzo e-mail appartiene già a un account di { $app }. Acceda come di consueto.
trouble-heading = Riprovi tra un momento
trouble-text = Si è verificato un problema da parte nostra. Non è andato perso nulla: riapra il link tra qualche minuto.

## The mail that confirms a new address

confirmation-subject = Confermi il suo nuovo indirizzo e-mail per { $app }
confirmation-preheader = Basta un momento.
confirmation-what = Questo indirizzo e-mail è stato indicato per un account di { $app }.
confirmation-next = Il pulsante apre una pagina in cui può confermare che questo indirizzo e-mail è suo.
confirmation-next-link = Per confermare che questo indirizzo e-mail è suo, apra questo link nel browser:
confirmation-button = Conferma l’indirizzo
confirmation-expires = Scadenza del link: { $date }.
confirmation-unexpected = Non si aspettava questa e-mail? Può ignorarla: l’indirizzo non verrà confermato.

## The mail to the former address

notice-subject = Modificato l’indirizzo e-mail del suo account di { $app }
notice-preheader = Non riconosce questa modifica? Ci contatti subito.
notice-what = Il suo account di { $app } usa ora un altro indirizzo e-mail al posto di questo.
notice-next = Se ha fatto lei questa modifica, non deve fare altro.
notice-unexpected = Se non riconosce questa modifica, contatti subito { $app }.
notice-contact = Se non riconosce questa modifica, scriva subito a { $address }.

## The mail to who has an address that another user asked for

taken-subject = Il suo indirizzo e-mail è stato reinserito su { $app }
taken-preheader = Non è cambiato nulla.
taken-what = Questo indirizzo e-mail è stato indicato per un altro account di { $app }. Appartiene al suo account e così resta.
taken-next = Se è stato Lei, scelga un indirizzo diverso per l’altro account.
taken-unexpected = Se non è stato Lei, non c’è nulla da fare. Se dovesse ripetersi, contatti { $app }.
taken-contact = Se non è stato Lei, non c’è nulla da fare. Se dovesse ripetersi, scriva a { $address }.

## The page that confirms a new address

confirm-heading = È questo il suo indirizzo e-mail?
confirm-address = { $address } è stato indicato per un account di { $app }.
confirm-unexpected = Non se lo aspettava? Chiuda semplicemente questa pagina: non succederà nulla.
confirmed-text = Il suo indirizzo e-mail è confermato.
confirmed-before-heading = Indirizzo già confermato
confirmed-before-text = Ha già confermato questo indirizzo e-mail. Non c’è altro da fare.
confirm-expired-heading = Questo link è scaduto
confirm-expired-text = Richieda un nuovo link su { $app }.
confirm-taken-heading = Questo indirizzo non può più essere usato
confirm-taken-text = Ora appartiene a un altro account di { $app }. Il suo account mantiene l’indirizzo precedente.
confirm-unknown-text = Forse è incompleto, oppure è stato sostituito da uno più recente. Verifichi di aver aperto il link completo contenuto nell’e-mail più recente.
confirm-trouble-text = Si è verificato un problema da parte nostra. Non è andato perso nulla: riapra il link tra qualche minuto.
