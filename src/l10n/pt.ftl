## Dates

date = { $day } de { $month } de { $year }, { $time } (UTC)
day-1 = 1
month-1 = janeiro
month-2 = fevereiro
month-3 = março
month-4 = abril
month-5 = maio
month-6 = junho
month-7 = julho
month-8 = agosto
month-9 = setembro
month-10 = outubro
month-11 = novembro
month-12 = dezembro

## Mails

greeting = Olá,
invitation-next = Clique no botão para aceitar o convite e confirmar que este endereço de e-mail é seu.
invitation-next-link = Para aceitar o convite e confirmar que este endereço de e-mail é seu, abra este endereço no navegador:
invitation-button = Aceitar o convite
link-fallback = Se o botão não funcionar, copie este endereço para o navegador:
referral-code = Código de indicação: { $code }
invitation-expires = O convite é válido até { $date }.
invitation-unexpected = Não esperava este e-mail? Basta ignorá-lo: se não aceitar, nada acontece e nenhuma conta é confirmada.

## Invite

invite-subject = O seu convite para { $app }
invite-subject-from = Convite de { $inviter } para { $app }
invite-preheader = Confirme o seu endereço de e-mail e comece já.
invite-what = Recebeu um convite para { $app }.
invite-what-from = Recebeu um convite de { $inviter } para { $app }.

## Referral

referral-subject = Uma recomendação: { $app }
referral-subject-from = { $inviter } recomenda { $app }
referral-preheader = Dê uma olhada: leva só um momento.
referral-what = Alguém que usa { $app } acha que também vai gostar e envia-lhe este convite.
referral-what-from = { $inviter } usa { $app }, acha que também vai gostar e envia-lhe este convite.

## The end of a referral

opt-out = Nunca mais receber convites de quem usa { $app }
opt-out-link = Para nunca mais receber convites de quem usa { $app }, abra este endereço no navegador:

## The page behind that link

opt-out-ask-heading = Não receber mais convites para { $app }?
opt-out-ask-text = Quem usa { $app } deixará de poder enviar-lhe convites. Ninguém será informado.
opt-out-button = Não me convidar mais
opt-out-done-heading = Não receberá mais convites
opt-out-done-text = Quem usa { $app } já não pode enviar convites para o seu endereço de e-mail. Já pode fechar esta página.
opt-out-undo = Voltar a permitir convites
opt-out-undone-heading = Os convites voltaram a ser permitidos
opt-out-undone-text = Quem usa { $app } pode voltar a enviar convites para o seu endereço de e-mail.

## The page behind the link

open-heading = Boas-vindas a { $app }
open-address = Este convite foi enviado para { $address }.
open-note = Ao aceitá-lo, confirma que este endereço de e-mail é seu.
unexpected-page = Não esperava este convite? Basta fechar esta página: nada acontece.
accepted-heading = Muito obrigado!
accepted-text = O seu endereço de e-mail está confirmado. Boas-vindas a { $app }! Já pode fechar esta página.
already-heading = Convite já aceito
already-text = Este convite para { $app } já tinha sido confirmado. Não há mais nada a fazer.
expired-heading = Este convite expirou
expired-text = Clique no botão para que um novo convite para { $app } seja enviado para o mesmo endereço.
renew = Enviar um novo e-mail
renewed-heading = Consulte a sua caixa de correio
renewed-text = Um novo convite para { $app } é enviado para o endereço convidado, exceto se outro tiver sido enviado há pouco.
unknown-heading = Este link não funciona
unknown-text = Talvez esteja incompleto ou o convite tenha sido retirado. Verifique se abriu o endereço completo que está no e-mail.
member-heading = Já tem uma conta
member-text = Este endereço de e-mail já pertence a uma conta de { $app }. Entre como de costume.
trouble-heading = Tente novamente daqui a pouco
trouble-text = Algo não está funcionando do nosso lado neste momento. O seu convite não se perdeu.

## The mail that confirms a new address

confirmation-subject = Confirme o seu novo endereço de e-mail para { $app }
confirmation-preheader = Basta clicar num botão.
confirmation-what = Este endereço de e-mail foi indicado para a sua conta de { $app }.
confirmation-next = Clique no botão para confirmar que este endereço de e-mail é seu.
confirmation-next-link = Para confirmar que este endereço de e-mail é seu, abra este endereço no navegador:
confirmation-button = Confirmar o endereço
confirmation-expires = O link é válido até { $date }.
confirmation-unexpected = Não esperava este e-mail? Basta ignorá-lo: o endereço continuará sem confirmação.

## The mail to the former address

notice-subject = O seu endereço de e-mail em { $app } foi alterado
notice-preheader = Se a alteração foi sua, não há mais nada a fazer.
notice-what = A sua conta de { $app } tem agora outro endereço de e-mail. Até agora, era este.
notice-next = Se a alteração foi sua, não há mais nada a fazer.
notice-unexpected = Se a alteração não foi sua, entre imediatamente em contato com { $app }.
notice-contact = Se a alteração não foi sua, escreva imediatamente para { $address }.

## The mail to who has an address that another user asked for

taken-subject = O seu endereço de e-mail foi indicado novamente em { $app }
taken-preheader = Nada mudou.
taken-what = Este endereço de e-mail foi indicado para outra conta de { $app }. Ele pertence à sua conta e assim permanece.
taken-next = Se foi a própria pessoa titular desta conta, escolha um endereço diferente para a outra conta.
taken-unexpected = Se não foi, não há nada a fazer. Se voltar a acontecer, entre em contato com { $app }.
taken-contact = Se não foi, não há nada a fazer. Se voltar a acontecer, escreva para { $address }.

## The page that confirms a new address

confirm-heading = Este endereço de e-mail é seu?
confirm-address = { $address } foi indicado para a sua conta de { $app }.
confirm-unexpected = Não esperava isto? Basta fechar esta página: nada acontece.
confirmed-text = O seu endereço de e-mail está confirmado. Já pode fechar esta página.
confirmed-before-heading = Endereço já confirmado
confirmed-before-text = Este endereço de e-mail já tinha sido confirmado. Não há mais nada a fazer.
confirm-expired-heading = Este link expirou
confirm-expired-text = Peça um novo link a { $app }.
confirm-taken-heading = Este endereço já não pode ser usado
confirm-taken-text = Ele pertence agora a outra conta de { $app }. A sua conta mantém o endereço anterior.
confirm-unknown-text = Talvez esteja incompleto ou tenha sido substituído por um link mais recente ou por outro endereço. Verifique se abriu o endereço completo que está no e-mail mais recente.
confirm-trouble-text = Algo não está funcionando do nosso lado neste momento. O seu link não se perdeu.
