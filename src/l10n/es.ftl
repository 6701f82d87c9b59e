## Dates

date = { $day } de { $month } de { $year }, { $time } (UTC)
day-1 = 1
month-1 = enero
month-2 = febrero
month-3 = marzo
month-4 = abril
month-5 = mayo
month-6 = junio
month-7 = julio
month-8 = agosto
month-9 = septiembre
month-10 = octubre
month-11 = noviembre
month-12 = diciembre

## Mails

greeting = Hola:
invitation-next = Pulse el botón para aceptar la invitación y confirmar que esta dirección de correo es suya.
invitation-next-link = Para aceptar la invitación y confirmar que esta dirección de correo es suya, abra esta dirección en su navegador:
invitation-button = Aceptar la invitación
link-fallback = Si el botón no funciona, copie esta dirección en su navegador:
referral-code = Código de recomendación: { $code }
invitation-expires = La invitación es válida hasta el { $date }.
invitation-unexpected = ¿No esperaba este correo? Simplemente ignórelo: si no acepta, no ocurre nada y no se confirma ninguna cuenta.

## Invite

invite-subject = Su invitación a { $app }
invite-subject-from = { $inviter } le invita a { $app }
invite-preheader = Confirme su dirección de correo y empiece.
invite-what = Ha recibido una invitación para unirse a { $app }.
invite-what-from = { $inviter } le invita a unirse a { $app }.

## Referral

referral-subject = Le recomiendan { $app }
referral-subject-from = { $inviter } le recomienda { $app }
referral-preheader = Eche un vistazo: solo es un momento.
referral-what = Una persona que usa { $app } cree que a usted también le gustará y le invita a unirse.
referral-what-from = { $inviter } usa { $app }, cree que a usted también le gustará y le invita a unirse.

## The end of a referral

opt-out = No recibir nunca más invitaciones de quienes usan { $app }
opt-out-link = Para no recibir nunca más invitaciones de quienes usan { $app }, abra esta dirección en su navegador:

## The page behind that link

opt-out-ask-heading = ¿No recibir más invitaciones a { $app }?
opt-out-ask-text = Quienes usan { $app } ya no podrán enviarle invitaciones. Nadie se enterará.
opt-out-button = No volver a invitarme
opt-out-done-heading = No recibirá más invitaciones
opt-out-done-text = Quienes usan { $app } ya no pueden enviar invitaciones a su dirección de correo. Ya puede cerrar esta página.
opt-out-undo = Volver a permitir invitaciones
opt-out-undone-heading = Las invitaciones vuelven a estar permitidas
opt-out-undone-text = Quienes usan { $app } pueden volver a enviar invitaciones a su dirección de correo.

## The page behind the link

open-heading = Le damos la bienvenida a { $app }
open-address = Esta invitación se envió a { $address }.
open-note = Al aceptarla, confirma que esta dirección de correo es suya.
unexpected-page = ¿No esperaba esta invitación? Simplemente cierre esta página: no ocurrirá nada.
accepted-heading = ¡Muchas gracias!
accepted-text = Su dirección de correo está confirmada. Le damos la bienvenida a { $app }. Ya puede cerrar esta página.
already-heading = Invitación ya aceptada
already-text = Ya había aceptado esta invitación a { $app }. No tiene que hacer nada más.
expired-heading = Esta invitación ha caducado
expired-text = Pulse el botón para que se envíe una nueva invitación a { $app } a la misma dirección.
renew = Enviar un nuevo correo
renewed-heading = Revise su buzón de correo
renewed-text = Se envía una nueva invitación a { $app } a la dirección invitada, salvo que ya se haya enviado una hace poco.
unknown-heading = Este enlace no funciona
unknown-text = Puede que esté incompleto o que la invitación se haya retirado. Compruebe que ha abierto la dirección completa que aparece en el correo.
member-heading = Ya tiene una cuenta
member-text = Esta dirección de correo ya pertenece a una cuenta de { $app }. Inicie sesión como de costumbre.
trouble-heading = Inténtelo de nuevo en un momento
trouble-text = Algo no funciona por nuestra parte en este momento. Su invitación no se ha perdido.

## The mail that confirms a new address

confirmation-subject = Confirme su nueva dirección de correo para { $app }
confirmation-preheader = Basta con pulsar un botón.
confirmation-what = Se ha indicado esta dirección de correo para su cuenta de { $app }.
confirmation-next = Pulse el botón para confirmar que esta dirección de correo es suya.
confirmation-next-link = Para confirmar que esta dirección de correo es suya, abra esta dirección en su navegador:
confirmation-button = Confirmar la dirección
confirmation-expires = El enlace es válido hasta el { $date }.
confirmation-unexpected = ¿No esperaba este correo? Simplemente ignórelo: la dirección quedará sin confirmar.

## The mail to the former address

notice-subject = Se ha cambiado su dirección de correo en { $app }
notice-preheader = Si lo hizo usted, no tiene que hacer nada más.
notice-what = Su cuenta de { $app } tiene ahora otra dirección de correo. Hasta ahora era esta.
notice-next = Si la cambió usted, no tiene que hacer nada más.
notice-unexpected = Si no fue usted, póngase en contacto con { $app } de inmediato.
notice-contact = Si no fue usted, escriba de inmediato a { $address }.

## The mail to who has an address that another user asked for

taken-subject = Se ha vuelto a indicar su dirección de correo en { $app }
taken-preheader = No ha cambiado nada.
taken-what = Se ha indicado esta dirección de correo para otra cuenta de { $app }. La dirección pertenece a su cuenta y seguirá siendo así.
taken-next = Si fue usted, elija otra dirección para la otra cuenta.
taken-unexpected = Si no fue usted, no tiene que hacer nada. Si vuelve a ocurrir, póngase en contacto con { $app }.
taken-contact = Si no fue usted, no tiene que hacer nada. Si vuelve a ocurrir, escriba a { $address }.

## The page that confirms a new address

confirm-heading = ¿Es esta su dirección de correo?
confirm-address = Se ha indicado { $address } para su cuenta de { $app }.
confirm-unexpected = ¿No se lo esperaba? Simplemente cierre esta página: no ocurrirá nada.
confirmed-text = Su dirección de correo está confirmada. Ya puede cerrar esta página.
confirmed-before-heading = Dirección ya confirmada
confirmed-before-text = Ya había confirmado esta dirección de correo. No tiene que hacer nada más.
confirm-expired-heading = Este enlace ha caducado
confirm-expired-text = Pida uno nuevo a { $app }.
confirm-taken-heading = Esta dirección ya no se puede utilizar
confirm-taken-text = Ahora pertenece a otra cuenta de { $app }. Su cuenta conserva la dirección que tenía.
confirm-unknown-text = Puede que esté incompleto o que lo haya sustituido un enlace más reciente u otra dirección. Compruebe que ha abierto la dirección completa que aparece en el correo más reciente.
confirm-trouble-text = Algo no funciona por nuestra parte en este momento. Su enlace no se ha perdido.
