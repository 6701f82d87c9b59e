## Dates

date = { $day } { $month } { $year } à { $time } (UTC)
day-1 = 1er
month-1 = janvier
month-2 = février
month-3 = mars
month-4 = avril
month-5 = mai
month-6 = juin
month-7 = juillet
month-8 = août
month-9 = septembre
month-10 = octobre
month-11 = novembre
month-12 = décembre

## Mails

greeting = Bonjour,
invitation-next = Cliquez sur le bouton pour accepter l’invitation et confirmer que cette adresse e-mail est bien la vôtre.
invitation-next-link = Pour accepter l’invitation et confirmer que cette adresse e-mail est bien la vôtre, ouvrez cette adresse dans votre navigateur :
invitation-button = Accepter l’invitation
link-fallback = Si le bouton ne fonctionne pas, copiez cette adresse dans votre navigateur :
referral-code = Code de parrainage : { $code }
invitation-expires = L’invitation est valable jusqu’au { $date }.
invitation-unexpected = Vous n’attendiez pas cet e-mail ? Ignorez-le, tout simplement : sans votre accord, il ne se passe rien et aucun compte n’est confirmé.

## Invite

invite-subject = Votre invitation à rejoindre { $app }
invite-subject-from = { $inviter } vous invite à rejoindre { $app }
invite-preheader = Confirmez votre adresse e-mail et c’est parti.
invite-what = Vous êtes invité(e) à rejoindre { $app }.
invite-what-from = { $inviter } vous invite à rejoindre { $app }.

## Referral

referral-subject = On vous recommande { $app }
referral-subject-from = { $inviter } vous recommande { $app }
referral-preheader = Venez jeter un œil : cela ne prend qu’un instant.
referral-what = Une personne qui utilise { $app } pense que cela vous plaira aussi et vous invite à la rejoindre.
referral-what-from = { $inviter } utilise { $app }, pense que cela vous plaira aussi et vous invite à essayer.

## The end of a referral

opt-out = Ne plus jamais recevoir d’invitation des utilisateurs de { $app }
opt-out-link = Pour ne plus jamais recevoir d’invitation des utilisateurs de { $app }, ouvrez cette adresse dans votre navigateur :

## The page behind that link

opt-out-ask-heading = Ne plus recevoir d’invitation à rejoindre { $app } ?
opt-out-ask-text = Les utilisateurs de { $app } ne pourront alors plus vous envoyer d’invitation. Personne n’en sera informé.
opt-out-button = Ne plus m’inviter
opt-out-done-heading = Vous ne recevrez plus d’invitation
opt-out-done-text = Les utilisateurs de { $app } ne peuvent plus envoyer d’invitation à votre adresse e-mail. Vous pouvez maintenant fermer cette page.
opt-out-undo = Autoriser de nouveau les invitations
opt-out-undone-heading = Les invitations sont de nouveau autorisées
opt-out-undone-text = Les utilisateurs de { $app } peuvent de nouveau envoyer des invitations à votre adresse e-mail.

## The page behind the link

open-heading = Bienvenue sur { $app }
open-address = Cette invitation a été envoyée à { $address }.
open-note = En l’acceptant, vous confirmez que cette adresse e-mail est bien la vôtre.
unexpected-page = Vous n’attendiez pas cette invitation ? Fermez simplement cette page : il ne se passera rien.
accepted-heading = Merci !
accepted-text = Votre adresse e-mail est confirmée. Bienvenue sur { $app } ! Vous pouvez maintenant fermer cette page.
already-heading = Invitation déjà acceptée
already-text = Vous avez déjà accepté cette invitation à rejoindre { $app }. Vous n’avez plus rien à faire.
expired-heading = Cette invitation a expiré
expired-text = Cliquez sur le bouton pour faire envoyer une nouvelle invitation à rejoindre { $app } à la même adresse.
renew = Envoyer un nouvel e-mail
renewed-heading = Consultez votre boîte de réception
renewed-text = Une nouvelle invitation à rejoindre { $app } est envoyée à l’adresse invitée, sauf si une autre vient d’être envoyée.
unknown-heading = Ce lien ne fonctionne pas
unknown-text = Il est peut-être incomplet, ou l’invitation a été retirée. Vérifiez que vous avez bien ouvert l’adresse complète figurant dans l’e-mail.
member-heading = Vous avez déjà un compte
member-text = Cette adresse e-mail est déjà celle d’un compte chez { $app }. Connectez-vous comme d’habitude.
trouble-heading = Veuillez réessayer dans un instant
trouble-text = Quelque chose ne fonctionne pas de notre côté pour le moment. Votre invitation n’est pas perdue.

## The mail that confirms a new address

confirmation-subject = Confirmez votre nouvelle adresse e-mail pour { $app }
confirmation-preheader = Il suffit d’un clic sur le bouton.
confirmation-what = Cette adresse e-mail a été indiquée pour votre compte chez { $app }.
confirmation-next = Cliquez sur le bouton pour confirmer que cette adresse e-mail est bien la vôtre.
confirmation-next-link = Pour confirmer que cette adresse e-mail est bien la vôtre, ouvrez cette adresse dans votre navigateur :
confirmation-button = Confirmer l’adresse
confirmation-expires = Le lien est valable jusqu’au { $date }.
confirmation-unexpected = Vous n’attendiez pas cet e-mail ? Ignorez-le, tout simplement : l’adresse restera non confirmée.

## The mail to the former address

notice-subject = Votre adresse e-mail chez { $app } a été modifiée
notice-preheader = Si c’était vous, vous n’avez rien d’autre à faire.
notice-what = Votre compte chez { $app } a désormais une autre adresse e-mail. Jusqu’ici, c’était celle-ci.
notice-next = Si vous l’avez modifiée vous-même, vous n’avez rien d’autre à faire.
notice-unexpected = Si ce n’était pas vous, contactez immédiatement { $app }.
notice-contact = Si ce n’était pas vous, écrivez immédiatement à { $address }.

## The mail to who has an address that another user asked for

taken-subject = Votre adresse e-mail a été indiquée une nouvelle fois chez { $app }
taken-preheader = Rien n’a changé.
taken-what = Cette adresse e-mail a été indiquée pour un autre compte chez { $app }. Elle est celle de votre compte et le reste.
taken-next = Si c’était vous, choisissez une autre adresse pour l’autre compte.
taken-unexpected = Si ce n’était pas vous, vous n’avez rien à faire. Si cela se reproduit, contactez { $app }.
taken-contact = Si ce n’était pas vous, vous n’avez rien à faire. Si cela se reproduit, écrivez à { $address }.

## The page that confirms a new address

confirm-heading = Est-ce bien votre adresse e-mail ?
confirm-address = { $address } a été indiquée pour votre compte chez { $app }.
confirm-unexpected = Vous ne vous y attendiez pas ? Fermez simplement cette page : il ne se passera rien.
confirmed-text = Votre adresse e-mail est confirmée. Vous pouvez maintenant fermer cette page.
confirmed-before-heading = Adresse déjà confirmée
confirmed-before-text = Vous avez déjà confirmé cette adresse e-mail. Vous n’avez plus rien à faire.
confirm-expired-heading = Ce lien a expiré
confirm-expired-text = Demandez un nouveau lien à { $app }.
confirm-taken-heading = Cette adresse ne peut plus être utilisée
confirm-taken-text = Elle est désormais celle d’un autre compte chez { $app }. Votre compte conserve son adresse actuelle.
confirm-unknown-text = Il est peut-être incomplet, ou un lien plus récent ou une autre adresse l’a remplacé. Vérifiez que vous avez bien ouvert l’adresse complète figurant dans le dernier e-mail.
confirm-trouble-text = Quelque chose ne fonctionne pas de notre côté pour le moment. Votre lien n’est pas perdu.
