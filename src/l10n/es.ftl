## The language, in itself

language-name = Español

## Dates

date = { $day }{"\u00A0"}de { $month } de { $year }, { $time }{"\u00A0"}(UTC)
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
invitation-next = El botón abre una página en la que puede aceptar la invitación. Al aceptarla, confirma también que esta dirección de correo es suya.
invitation-next-link = Para aceptar la invitación y confirmar que esta dirección de correo es suya, abra este enlace en su navegador:
invitation-open = Ver la invitación
invitation-button = Aceptar la invitación
link-fallback = Si el botón no funciona, copie este enlace en su navegador:
referral-code = Código de recomendación: { $code }
referral-code-note = Solo necesita este código si se registra sin usar el enlace de arriba.
invitation-expires = La invitación es válida hasta el { $date }.
invitation-unexpected = ¿No esperaba este correo? Puede ignorarlo: si no acepta la invitación, no ocurrirá nada.
sent-to = Este correo se envió a { $address }.
imprint = Aviso legal
privacy = Privacidad
contact = Contactar con { $app }

## Invite

invite-subject = Su invitación a { $app }
invite-subject-from = Invitación de { $inviter } para unirse a { $app }
invite-preheader = Acepte la invitación para empezar.
invite-what = Ha recibido una invitación para unirse a { $app }.
invite-what-from = { $inviter } le ha enviado una invitación para unirse a { $app }.

## Referral

referral-subject = Le recomiendan { $app }
referral-subject-from = { $inviter } le recomienda { $app }
referral-preheader = Eche un vistazo: solo es un momento.
referral-what = Una persona que usa { $app } cree que también le gustará y le ha enviado esta invitación.
referral-what-from = { $inviter } usa { $app }, cree que también le gustará y le ha enviado esta invitación.
referral-next = El botón abre una página en la que puede aceptar la invitación. Al aceptarla, crea su cuenta y confirma que esta dirección de correo es suya.
referral-next-link = Para aceptar la invitación, crear su cuenta y confirmar que esta dirección de correo es suya, abra este enlace en su navegador:
referral-unexpected = ¿No esperaba este correo? Puede ignorarlo: no se creará ninguna cuenta si no acepta la invitación.

## The end of a referral

opt-out = No recibir más invitaciones de quienes usan { $app }
opt-out-link = Para no recibir más invitaciones de quienes usan { $app }, abra este enlace en su navegador:

## The page behind that link

opt-out-ask-heading = ¿Quiere dejar de recibir invitaciones a { $app }?
opt-out-ask-text = Quienes usan { $app } ya no podrán enviarle invitaciones. No se informará a nadie.
opt-out-button = No recibir más invitaciones
opt-out-done-heading = No recibirá más invitaciones
opt-out-done-text = Quienes usan { $app } ya no pueden enviar invitaciones a su dirección de correo.
opt-out-undo = Volver a permitir invitaciones
opt-out-undone-heading = Las invitaciones vuelven a estar permitidas
opt-out-undone-text = Quienes usan { $app } pueden volver a enviar invitaciones a su dirección de correo.

## The page behind the link

open-heading = Su invitación para unirse a { $app }
open-address = Esta invitación se envió a { $address }.
open-note = Al aceptarla, confirma que esta dirección de correo es suya.
referral-note = Al aceptarla, crea una cuenta de { $app } y confirma que esta dirección de correo es suya.
unexpected-page = ¿No esperaba esta invitación? Simplemente cierre esta página: no ocurrirá nada.
accepted-heading = ¡Muchas gracias!
accepted-text = Su dirección de correo está confirmada. Le damos la bienvenida a { $app }.
close-page = Ya puede cerrar esta página.
continue = Continuar a { $app }
already-heading = Invitación ya aceptada
already-text = Ya ha aceptado esta invitación a { $app }. No tiene que hacer nada más.
expired-heading = Esta invitación ha caducado
expired-text = Pulse el botón para recibir una nueva invitación a { $app } en la misma dirección.
renew = Enviar una nueva invitación
renewed-heading = Revise su bandeja de entrada
renewed-text = Enviamos una nueva invitación a { $app } a la misma dirección. Si hace poco ya se envió una, use esa.
unknown-heading = Este enlace no funciona
unknown-text = Puede que esté incompleto o que la invitación se haya retirado. Compruebe que ha abierto el enlace completo del correo o pida una nueva invitación.
link-unknown-text = Puede que esté incompleto. Compruebe que ha abierto el enlace completo del correo.
member-heading = Ya tiene una cuenta
member-text = Esta dirección de correo ya pertenece a una cuenta de { $app }. Inicie sesión como de costumbre.
trouble-heading = Inténtelo de nuevo en un momento
trouble-text = Se ha producido un error por nuestra parte. No se ha perdido nada: vuelva a abrir el enlace dentro de unos minutos.

## The mail that confirms a new address

confirmation-subject = Confirme su nueva dirección de correo para { $app }
confirmation-preheader = Solo le llevará un momento.
confirmation-what = Se ha indicado esta dirección de correo para una cuenta de { $app }.
confirmation-next = El botón abre una página en la que puede confirmar que esta dirección de correo es suya.
confirmation-next-link = Para confirmar que esta dirección de correo es suya, abra este enlace en su navegador:
confirmation-button = Confirmar la dirección
confirmation-expires = El enlace es válido hasta el { $date }.
confirmation-unexpected = ¿No esperaba este correo? Puede ignorarlo: la dirección no se confirmará.

## The mail to the former address

notice-subject = Ha cambiado el correo de su cuenta de { $app }
notice-preheader = ¿No fue usted? Póngase en contacto de inmediato.
notice-what = Su cuenta de { $app } usa ahora otra dirección de correo en lugar de esta.
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
confirm-address = Se ha indicado { $address } para una cuenta de { $app }.
confirm-unexpected = ¿No se lo esperaba? Simplemente cierre esta página: no ocurrirá nada.
confirmed-text = Su dirección de correo está confirmada.
confirmed-before-heading = Dirección ya confirmada
confirmed-before-text = Ya ha confirmado esta dirección de correo. No tiene que hacer nada más.
confirm-expired-heading = Este enlace ha caducado
confirm-expired-text = Pida uno nuevo a { $app }.
confirm-taken-heading = Esta dirección ya no se puede utilizar
confirm-taken-text = Ahora pertenece a otra cuenta de { $app }. Su cuenta conserva la dirección que tenía.
confirm-unknown-text = Puede que esté incompleto o que lo haya sustituido uno más reciente. Compruebe que ha abierto el enlace completo del correo más reciente.
confirm-trouble-text = Se ha producido un error por nuestra parte. No se ha perdido nada: vuelva a abrir el enlace dentro de unos minutos.
