## The language, in itself

language-name = Português (Portugal)

## Dates

date = { $day }{"\u00A0"}de { $month } de { $year }, { $time }{"\u00A0"}(UTC)
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
invitation-next = O botão abre uma página onde pode aceitar o convite. Ao aceitá-lo, confirma também que este endereço de e-mail é seu.
invitation-next-link = Para aceitar o convite e confirmar que este endereço de e-mail é seu, abra esta ligação no navegador:
invitation-open = Ver o convite
invitation-button = Aceitar o convite
link-fallback = Se o botão não funcionar, copie esta ligação para o navegador:
referral-code = Código de recomendação: { $code }
referral-code-note = Só precisa do código se se registar sem usar a ligação acima.
invitation-expires = O convite é válido até { $date }.
invitation-unexpected = Não esperava este e-mail? Pode ignorá-lo: se não aceitar o convite, nada acontece.
sent-to = Este e-mail foi enviado para { $address }.
imprint = Informação legal
privacy = Privacidade
contact = Contactar { $app }

## Invite

invite-subject = O seu convite para { $app }
invite-subject-from = Convite de { $inviter } para { $app }
invite-preheader = Aceite o convite para começar.
invite-what = Recebeu um convite para { $app }.
invite-what-from = Recebeu um convite de { $inviter } para { $app }.

## Referral

referral-subject = Uma recomendação: { $app }
referral-subject-from = { $inviter } recomenda { $app }
referral-preheader = Espreite e, se gostar, aceite o convite.
referral-what = Alguém que usa { $app } acha que também lhe vai agradar e enviou-lhe este convite.
referral-what-from = { $inviter } usa { $app } e enviou-lhe este convite.
referral-next = O botão abre uma página onde pode aceitar o convite. Ao aceitá-lo, cria a sua conta e confirma que este endereço de e-mail é seu.
referral-next-link = Para aceitar o convite, criar a sua conta e confirmar que este endereço de e-mail é seu, abra esta ligação no navegador:
referral-unexpected = Não esperava este e-mail? Pode ignorá-lo: se não aceitar o convite, não será criada nenhuma conta.

## The end of a referral

opt-out = Não receber mais convites de quem usa { $app }
opt-out-link = Para não receber mais convites de quem usa { $app }, abra esta ligação no navegador:

## The page behind that link

opt-out-ask-heading = Não receber mais convites para { $app }?
opt-out-ask-text = Quem usa { $app } deixará de poder enviar-lhe convites. Ninguém será informado.
opt-out-button = Não receber mais convites
opt-out-done-heading = Não receberá mais convites
opt-out-done-text = Quem usa { $app } já não pode enviar convites para o seu endereço de e-mail.
opt-out-undo = Voltar a permitir convites
opt-out-undone-heading = Os convites voltaram a ser permitidos
opt-out-undone-text = Quem usa { $app } pode voltar a enviar convites para o seu endereço de e-mail.

## The page behind the link

open-heading = O seu convite para { $app }
open-address = Este convite foi enviado para { $address }.
open-note = Ao aceitá-lo, confirma que este endereço de e-mail é seu.
referral-note = Ao aceitá-lo, cria uma conta em { $app } e confirma que este endereço de e-mail é seu.
unexpected-page = Não esperava este convite? Basta fechar esta página: nada acontece.
accepted-heading = Muito obrigado!
accepted-text = O seu endereço de e-mail está confirmado. Boas-vindas a { $app }!
close-page = Já pode fechar esta página.
continue = Continuar para { $app }
already-heading = Convite já aceite
already-text = Já aceitou este convite para { $app }. Não tem de fazer mais nada.
expired-heading = Este convite expirou
expired-text = Podemos enviar para o mesmo endereço de e-mail um novo convite para { $app }.
renew = Enviar um novo convite
renewed-heading = Consulte a sua caixa de entrada
renewed-text = Um novo convite para { $app } segue para o mesmo endereço. Se outro foi enviado há pouco, use esse.
unknown-heading = Esta ligação não funciona
unknown-text = Talvez esteja incompleta ou o convite tenha sido retirado. Verifique se abriu a ligação completa que está no e-mail ou peça um novo convite.
link-unknown-text = Talvez esteja incompleta. Verifique se abriu a ligação completa que está no e-mail.
member-heading = Já tem uma conta
member-text = Este endereço de e-mail já pertence a uma conta em { $app }. Inicie sessão como habitualmente.
trouble-heading = Tente novamente daqui a pouco
trouble-text = Ocorreu um erro do nosso lado. Nada se perdeu: volte a abrir a ligação dentro de alguns minutos.

## The mail that confirms a new address

confirmation-subject = Confirme o seu novo endereço de e-mail para { $app }
confirmation-preheader = Demora apenas um momento.
confirmation-what = Este endereço de e-mail foi indicado para uma conta em { $app }.
confirmation-next = O botão abre uma página onde pode confirmar que este endereço de e-mail é seu.
confirmation-next-link = Para confirmar que este endereço de e-mail é seu, abra esta ligação no navegador:
confirmation-button = Confirmar o endereço
confirmation-expires = A ligação é válida até { $date }.
confirmation-unexpected = Não esperava este e-mail? Basta ignorá-lo: o endereço continuará sem confirmação.

## The mail to the former address

notice-subject = O endereço de e-mail da sua conta em { $app } foi alterado
notice-preheader = Não fez esta alteração? Contacte-nos imediatamente.
notice-what = A sua conta em { $app } utiliza agora outro endereço de e-mail em vez deste.
notice-next = Se a alteração foi sua, não tem de fazer mais nada.
notice-unexpected = Se não fez esta alteração, contacte { $app } imediatamente.
notice-contact = Se não fez esta alteração, escreva imediatamente para { $address }.

## The mail to who has an address that another user asked for

taken-subject = O seu endereço de e-mail foi indicado novamente em { $app }
taken-preheader = Nada mudou.
taken-what = Este endereço de e-mail foi indicado para outra conta em { $app }. Pertence à sua conta e assim continuará.
taken-next = Se o pedido partiu de si, escolha um endereço diferente para a outra conta.
taken-unexpected = Se não partiu de si, não tem de fazer nada. Se voltar a acontecer, contacte { $app }.
taken-contact = Se não partiu de si, não tem de fazer nada. Se voltar a acontecer, escreva para { $address }.

## The page that confirms a new address

confirm-heading = Este endereço de e-mail é seu?
confirm-address = O endereço { $address } foi indicado para uma conta em { $app }.
confirm-unexpected = Não esperava isto? Basta fechar esta página: nada acontece.
confirmed-text = O seu endereço de e-mail está confirmado.
confirmed-before-heading = Endereço já confirmado
confirmed-before-text = Já confirmou este endereço de e-mail. Não tem de fazer mais nada.
confirm-expired-heading = Esta ligação expirou
confirm-expired-text = Peça uma nova ligação a { $app }.
confirm-taken-heading = Este endereço já não pode ser usado
confirm-taken-text = Pertence agora a outra conta em { $app }. A sua conta mantém o endereço anterior.
confirm-unknown-text = Talvez esteja incompleta ou tenha sido substituída por uma mais recente. Verifique se abriu a ligação completa que está no e-mail mais recente.
confirm-trouble-text = Ocorreu um erro do nosso lado. Nada se perdeu: volte a abrir a ligação dentro de alguns minutos.
