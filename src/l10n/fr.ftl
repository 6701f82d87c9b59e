## The language, in itself

language-name = Français

## Dates

date = { $day }{"\u00A0"}{ $month } { $year } à { $time }{"\u00A0"}(UTC)
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
invitation-next = Le bouton ouvre une page où vous pouvez accepter l’invitation. En l’acceptant, vous confirmez aussi que cette adresse e-mail est bien la vôtre.
invitation-next-link = Pour accepter l’invitation et confirmer que cette adresse e-mail est bien la vôtre, ouvrez ce lien dans votre navigateur :
invitation-open = Voir l’invitation
invitation-button = Accepter l’invitation
link-fallback = Si le bouton ne fonctionne pas, copiez ce lien dans votre navigateur :
referral-code = Code de parrainage : { $code }
referral-code-note = Ce code ne sert que si vous vous inscrivez sans passer par le lien ci-dessus.
invitation-expires = L’invitation est valable jusqu’au { $date }.
invitation-unexpected = Vous n’attendiez pas cet e-mail ? Vous pouvez l’ignorer : tant que vous n’acceptez pas l’invitation, il ne se passe rien.
sent-to = Cet e-mail a été envoyé à { $address }.
imprint = Mentions légales
privacy = Confidentialité
contact = Contacter { $app }

## Invite

invite-subject = Votre invitation à rejoindre { $app }
invite-subject-from = { $inviter } vous invite à rejoindre { $app }
invite-preheader = Confirmez votre adresse e-mail et c’est parti.
invite-what = Vous avez reçu une invitation à rejoindre { $app }.
invite-what-from = { $inviter } vous invite à rejoindre { $app }.

## Referral

referral-subject = On vous recommande { $app }
referral-subject-from = { $inviter } vous recommande { $app }
referral-preheader = Jetez-y un œil, cela ne prend qu’un instant.
referral-what = Une personne qui utilise { $app } vous invite à l’essayer.
referral-what-from = { $inviter } utilise { $app } et vous invite à l’essayer.
referral-next = Le bouton ouvre une page où vous pouvez accepter l’invitation. En l’acceptant, vous créez votre compte et confirmez que cette adresse e-mail est bien la vôtre.
referral-next-link = Pour accepter l’invitation, créer votre compte et confirmer que cette adresse e-mail est bien la vôtre, ouvrez ce lien dans votre navigateur :
referral-unexpected = Vous n’attendiez pas cet e-mail ? Vous pouvez l’ignorer : aucun compte n’est créé tant que vous n’acceptez pas l’invitation.

## The end of a referral

opt-out = Ne plus recevoir d’invitations de personnes qui utilisent { $app }
opt-out-link = Pour ne plus recevoir d’invitations de personnes qui utilisent { $app }, ouvrez ce lien dans votre navigateur :

## The page behind that link

opt-out-ask-heading = Ne plus recevoir d’invitations à rejoindre { $app } ?
opt-out-ask-text = Les personnes qui utilisent { $app } ne pourront plus vous envoyer d’invitations. Personne n’en sera informé.
opt-out-button = Ne plus recevoir d’invitations
opt-out-done-heading = Vous ne recevrez plus d’invitations
opt-out-done-text = Les personnes qui utilisent { $app } ne peuvent plus envoyer d’invitations à votre adresse e-mail.
opt-out-undo = Autoriser de nouveau les invitations
opt-out-undone-heading = Les invitations sont de nouveau autorisées
opt-out-undone-text = Les personnes qui utilisent { $app } peuvent de nouveau envoyer des invitations à votre adresse e-mail.

## The page behind the link

open-heading = Votre invitation à rejoindre { $app }
open-address = Cette invitation a été envoyée à { $address }.
open-note = En l’acceptant, vous confirmez que cette adresse e-mail est bien la vôtre.
referral-note = En acceptant, vous créez un compte { $app } et confirmez que cette adresse e-mail est bien la vôtre.
unexpected-page = Vous n’attendiez pas cette invitation ? Fermez simplement cette page : il ne se passera rien.
accepted-heading = Merci !
accepted-text = Votre adresse e-mail est confirmée. Bienvenue sur { $app } !
close-page = Vous pouvez maintenant fermer cette page.
continue = Continuer vers { $app }
already-heading = Invitation déjà acceptée
already-text = Vous avez déjà accepté cette invitation à rejoindre { $app }. Vous n’avez plus rien à faire.
expired-heading = Cette invitation a expiré
expired-text = Cliquez sur le bouton pour recevoir une nouvelle invitation à rejoindre { $app }, à la même adresse.
renew = Envoyer une nouvelle invitation
renewed-heading = Consultez votre boîte de réception
renewed-text = Une nouvelle invitation à rejoindre { $app } part à la même adresse. Si une autre vient d’être envoyée, utilisez celle-ci.
unknown-heading = Ce lien ne fonctionne pas
unknown-text = Il est peut-être incomplet, ou l’invitation a été annulée. Vérifiez que vous avez ouvert le lien complet figurant dans l’e-mail, ou demandez une nouvelle invitation.
link-unknown-text = Il est peut-être incomplet. Vérifiez que vous avez ouvert le lien complet figurant dans l’e-mail.
member-heading = Vous avez déjà un compte
member-text = Cette adresse e-mail est déjà associée à un compte { $app }. Connectez-vous comme d’habitude.
trouble-heading = Veuillez réessayer dans un instant
trouble-text = Un problème est survenu de notre côté. Rien n’est perdu : rouvrez le lien dans quelques minutes.

## The mail that confirms a new address

confirmation-subject = Confirmez votre nouvelle adresse e-mail pour { $app }
confirmation-preheader = Cela ne prend qu’un instant.
confirmation-what = Cette adresse e-mail a été indiquée pour un compte { $app }.
confirmation-next = Le bouton ouvre une page où vous pouvez confirmer que cette adresse e-mail est bien la vôtre.
confirmation-next-link = Pour confirmer que cette adresse e-mail est bien la vôtre, ouvrez ce lien dans votre navigateur :
confirmation-button = Confirmer l’adresse
confirmation-expires = Le lien est valable jusqu’au { $date }.
confirmation-unexpected = Vous n’attendiez pas cet e-mail ? Vous pouvez l’ignorer : l’adresse ne sera pas confirmée.

## The mail to the former address

notice-subject = L’adresse e-mail de votre compte { $app } a été modifiée
notice-preheader = Ce n’était pas vous ? Contactez-nous immédiatement.
notice-what = Votre compte { $app } utilise désormais une autre adresse e-mail à la place de celle-ci.
notice-next = Si vous l’avez modifiée vous-même, vous n’avez rien d’autre à faire.
notice-unexpected = Si ce n’était pas vous, contactez immédiatement { $app }.
notice-contact = Si ce n’était pas vous, écrivez immédiatement à { $address }.

## The mail to who has an address that another user asked for

taken-subject = Votre adresse e-mail : nouvelle saisie chez { $app }
taken-preheader = Rien n’a changé.
taken-what = Cette adresse e-mail a été indiquée pour un autre compte chez { $app }. Elle est celle de votre compte et le reste.
taken-next = Si c’était vous, choisissez une autre adresse pour l’autre compte.
taken-unexpected = Si ce n’était pas vous, vous n’avez rien à faire. Si cela se reproduit, contactez { $app }.
taken-contact = Si ce n’était pas vous, vous n’avez rien à faire. Si cela se reproduit, écrivez à { $address }.

## The page that confirms a new address

confirm-heading = Est-ce bien votre adresse e-mail ?
confirm-address = { $address } a été indiquée pour un compte { $app }.
confirm-unexpected = Vous ne vous y attendiez pas ? Fermez simplement cette page : il ne se passera rien.
confirmed-text = Votre adresse e-mail est confirmée.
confirmed-before-heading = Adresse déjà confirmée
confirmed-before-text = Vous avez déjà confirmé cette adresse e-mail. Vous n’avez plus rien à faire.
confirm-expired-heading = Ce lien a expiré
confirm-expired-text = Demandez un nouveau lien à { $app }.
confirm-taken-heading = Cette adresse ne peut plus être utilisée
confirm-taken-text = Elle est désormais celle d’un autre compte chez { $app }. Votre compte conserve son adresse actuelle.
confirm-unknown-text = Il est peut-être incomplet, ou un lien plus récent l’a remplacé. Vérifiez que vous avez ouvert le lien complet figurant dans le dernier e-mail.
confirm-trouble-text = Un problème est survenu de notre côté. Rien n’est perdu : rouvrez le lien dans quelques minutes.
