## Dates

date = { $day } { $month } { $year }, ore { $time } (UTC)
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
invitation-next = Prema il pulsante per accettare l’invito e confermare che questo indirizzo e-mail è Suo.
invitation-next-link = Per accettare l’invito e confermare che questo indirizzo e-mail è Suo, apra questo indirizzo nel browser:
invitation-button = Accetta l’invito
link-fallback = Se il pulsante non funziona, copi questo indirizzo nel browser:
referral-code = Codice di presentazione: { $code }
invitation-expires = L’invito è valido fino alla data seguente: { $date }.
invitation-unexpected = Non si aspettava questa e-mail? La ignori: finché non accetta, non succede nulla e nessun account viene confermato.

## Invite

invite-subject = Il Suo invito a { $app }
invite-subject-from = { $inviter } La invita a { $app }
invite-preheader = Confermi il Suo indirizzo e-mail e cominci subito.
invite-what = Ha ricevuto un invito a { $app }.
invite-what-from = { $inviter } La invita a { $app }.

## Referral

referral-subject = Le è stato consigliato { $app }
referral-subject-from = { $inviter } Le consiglia { $app }
referral-preheader = Dia un’occhiata: basta un momento.
referral-what = Una persona che usa { $app } pensa che possa piacere anche a Lei e La invita a provare.
referral-what-from = { $inviter } usa { $app }, pensa che possa piacere anche a Lei e La invita a provare.

## The end of a referral

opt-out = Non ricevere mai più inviti da chi usa { $app }
opt-out-link = Per non ricevere mai più inviti da chi usa { $app }, apra questo indirizzo nel browser:

## The page behind that link

opt-out-ask-heading = Non ricevere più inviti a { $app }?
opt-out-ask-text = Chi usa { $app } non potrà più inviarLe inviti. Nessuno ne verrà informato.
opt-out-button = Non invitarmi più
opt-out-done-heading = Non riceverà più inviti
opt-out-done-text = Chi usa { $app } non può più inviare inviti al Suo indirizzo e-mail. Ora può chiudere questa pagina.
opt-out-undo = Consenti di nuovo gli inviti
opt-out-undone-heading = Gli inviti sono di nuovo consentiti
opt-out-undone-text = Chi usa { $app } può di nuovo inviare inviti al Suo indirizzo e-mail.

## The page behind the link

open-heading = Le diamo il benvenuto su { $app }
open-address = Questo invito è stato inviato a { $address }.
open-note = Accettandolo, conferma che questo indirizzo e-mail è Suo.
unexpected-page = Non si aspettava questo invito? Chiuda semplicemente questa pagina: non succederà nulla.
accepted-heading = Grazie!
accepted-text = Il Suo indirizzo e-mail è confermato. Le diamo il benvenuto su { $app }: ora può chiudere questa pagina.
already-heading = Invito già accettato
already-text = Ha già accettato questo invito a { $app }. Non c’è altro da fare.
expired-heading = Questo invito è scaduto
expired-text = Prema il pulsante per far inviare un nuovo invito a { $app } allo stesso indirizzo.
renew = Invia una nuova e-mail
renewed-heading = Controlli la Sua casella di posta
renewed-text = Un nuovo invito a { $app } viene inviato all’indirizzo invitato, a meno che non ne sia appena stato inviato uno.
unknown-heading = Questo link non funziona
unknown-text = Forse è incompleto, oppure l’invito è stato ritirato. Verifichi di aver aperto l’indirizzo completo contenuto nell’e-mail.
member-heading = Ha già un account
member-text = Questo indirizzo e-mail appartiene già a un account di { $app }. Acceda come di consueto.
trouble-heading = Riprovi tra un momento
trouble-text = Al momento qualcosa da parte nostra non funziona. Il Suo invito non è andato perso.

## The mail that confirms a new address

confirmation-subject = Confermi il Suo nuovo indirizzo e-mail per { $app }
confirmation-preheader = Basta premere un pulsante.
confirmation-what = Questo indirizzo e-mail è stato indicato per il Suo account di { $app }.
confirmation-next = Prema il pulsante per confermare che questo indirizzo e-mail è Suo.
confirmation-next-link = Per confermare che questo indirizzo e-mail è Suo, apra questo indirizzo nel browser:
confirmation-button = Conferma l’indirizzo
confirmation-expires = Il link è valido fino alla data seguente: { $date }.
confirmation-unexpected = Non si aspettava questa e-mail? La ignori: l’indirizzo resterà non confermato.

## The mail to the former address

notice-subject = Il Suo indirizzo e-mail su { $app } è stato modificato
notice-preheader = Se è stato Lei, non c’è altro da fare.
notice-what = Il Suo account di { $app } ha ora un altro indirizzo e-mail. Finora era questo.
notice-next = Se lo ha modificato Lei, non c’è altro da fare.
notice-unexpected = Se non è stato Lei, contatti subito { $app }.
notice-contact = Se non è stato Lei, scriva subito a { $address }.

## The mail to who has an address that another user asked for

taken-subject = Il Suo indirizzo e-mail è stato indicato di nuovo su { $app }
taken-preheader = Non è cambiato nulla.
taken-what = Questo indirizzo e-mail è stato indicato per un altro account di { $app }. Appartiene al Suo account e così resta.
taken-next = Se è stato Lei, scelga un indirizzo diverso per l’altro account.
taken-unexpected = Se non è stato Lei, non c’è nulla da fare. Se dovesse ripetersi, contatti { $app }.
taken-contact = Se non è stato Lei, non c’è nulla da fare. Se dovesse ripetersi, scriva a { $address }.

## The page that confirms a new address

confirm-heading = È questo il Suo indirizzo e-mail?
confirm-address = { $address } è stato indicato per il Suo account di { $app }.
confirm-unexpected = Non se lo aspettava? Chiuda semplicemente questa pagina: non succederà nulla.
confirmed-text = Il Suo indirizzo e-mail è confermato. Ora può chiudere questa pagina.
confirmed-before-heading = Indirizzo già confermato
confirmed-before-text = Ha già confermato questo indirizzo e-mail. Non c’è altro da fare.
confirm-expired-heading = Questo link è scaduto
confirm-expired-text = Ne chieda uno nuovo a { $app }.
confirm-taken-heading = Questo indirizzo non può più essere usato
confirm-taken-text = Ora appartiene a un altro account di { $app }. Il Suo account mantiene l’indirizzo precedente.
confirm-unknown-text = Forse è incompleto, oppure è stato sostituito da un link più recente o da un altro indirizzo. Verifichi di aver aperto l’indirizzo completo contenuto nell’e-mail più recente.
confirm-trouble-text = Al momento qualcosa da parte nostra non funziona. Il Suo link non è andato perso.
