## The language, in itself

language-name = Português (Brasil)

## Dates

date = { $day }{"\u00A0"}de { $month } de { $year }, { $time }{"\u00A0"}(UTC)
day-1 = 1º
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
invitation-next = O botão abre uma página em que você pode aceitar o convite. Ao aceitá-lo, você também confirma que este endereço de e-mail é seu.
invitation-next-link = Para aceitar o convite e confirmar que este endereço de e-mail é seu, abra este link no navegador:
invitation-open = Ver o convite
invitation-button = Aceitar o convite
link-fallback = Se o botão não funcionar, copie este link para o navegador:
referral-code = Código de indicação: { $code }
referral-code-note = Você só precisa do código se fizer o cadastro sem usar o link acima.
invitation-expires = O convite é válido até { $date }.
invitation-unexpected = Não esperava este e-mail? Você pode ignorá-lo: se não aceitar o convite, nada acontece.
sent-to = Este e-mail foi enviado para { $address }.
imprint = Aviso legal
privacy = Privacidade
contact = Falar com { $app }

## Invite

invite-subject = Seu convite para { $app }
invite-subject-from = { $inviter } convidou você para { $app }
invite-preheader = Aceite o convite para começar.
invite-what = Você recebeu um convite para { $app }.
invite-what-from = { $inviter } convidou você para { $app }.

## Referral

referral-subject = Um convite para conhecer { $app }
referral-subject-from = { $inviter } convidou você para conhecer { $app }
referral-preheader = Dê uma olhada: leva só um momento.
referral-what = Alguém que usa { $app } acha que você também vai gostar e enviou este convite.
referral-what-from = { $inviter } usa { $app }, acha que você também vai gostar e enviou este convite.
referral-next = O botão abre uma página em que você pode aceitar o convite. Ao aceitá-lo, você cria sua conta e confirma que este endereço de e-mail é seu.
referral-next-link = Para aceitar o convite, criar sua conta e confirmar que este endereço de e-mail é seu, abra este link no navegador:
referral-unexpected = Não esperava este e-mail? Você pode ignorá-lo: se não aceitar o convite, nenhuma conta será criada.

## The end of a referral

opt-out = Não receber mais convites de quem usa { $app }
opt-out-link = Para não receber mais convites de quem usa { $app }, abra este link no navegador:

## The page behind that link

opt-out-ask-heading = Deixar de receber convites para { $app }?
opt-out-ask-text = Quem usa { $app } não poderá mais enviar convites para você. Ninguém será informado.
opt-out-button = Não receber mais convites
opt-out-done-heading = Você não receberá mais convites
opt-out-done-text = Quem usa { $app } não pode mais enviar convites para o seu endereço de e-mail.
opt-out-undo = Voltar a permitir convites
opt-out-undone-heading = Os convites voltaram a ser permitidos
opt-out-undone-text = Quem usa { $app } pode enviar convites para o seu endereço de e-mail novamente.

## The page behind the link

open-heading = Seu convite para { $app }
open-address = Este convite foi enviado para { $address }.
open-note = Ao aceitá-lo, você confirma que este endereço de e-mail é seu.
referral-note = Ao aceitá-lo, você cria uma conta de { $app } e confirma que este endereço de e-mail é seu.
unexpected-page = Não esperava este convite? Basta fechar esta página: nada vai acontecer.
accepted-heading = Tudo certo!
accepted-text = Seu endereço de e-mail está confirmado. Boas-vindas a { $app }!
close-page = Você já pode fechar esta página.
continue = Continuar para { $app }
already-heading = Convite já aceito
already-text = Você já aceitou este convite para { $app }. Não há mais nada a fazer.
expired-heading = Este convite expirou
expired-text = Clique no botão para receber um novo convite para { $app } no mesmo endereço.
renew = Enviar um novo convite
renewed-heading = Confira sua caixa de entrada
renewed-text = Um novo convite para { $app } está a caminho do mesmo endereço. Se outro foi enviado há pouco, use esse.
unknown-heading = Este link não funciona
unknown-text = Talvez esteja incompleto ou o convite tenha sido cancelado. Verifique se você abriu o link completo que está no e-mail ou peça um novo convite.
link-unknown-text = Talvez esteja incompleto. Verifique se você abriu o link completo que está no e-mail.
member-heading = Você já tem uma conta
member-text = Este endereço de e-mail já pertence a uma conta de { $app }. Entre como de costume.
trouble-heading = Tente novamente daqui a pouco
trouble-text = Ocorreu um erro do nosso lado. Nada se perdeu: abra o link de novo daqui a alguns minutos.

## The mail that confirms a new address

confirmation-subject = Confirme seu novo endereço de e-mail para { $app }
confirmation-preheader = Leva só um momento.
confirmation-what = Este endereço de e-mail foi informado para uma conta de { $app }.
confirmation-next = O botão abre uma página em que você pode confirmar que este endereço de e-mail é seu.
confirmation-next-link = Para confirmar que este endereço de e-mail é seu, abra este link no navegador:
confirmation-button = Confirmar o endereço
confirmation-expires = O link é válido até { $date }.
confirmation-unexpected = Não esperava este e-mail? Você pode ignorá-lo: o endereço não será confirmado.

## The mail to the former address

notice-subject = O endereço de e-mail da sua conta de { $app } foi alterado
notice-preheader = Não foi você? Entre em contato imediatamente.
notice-what = Sua conta de { $app } agora usa outro endereço de e-mail no lugar deste.
notice-next = Se foi você que fez a alteração, não há mais nada a fazer.
notice-unexpected = Se não foi você, entre em contato com { $app } imediatamente.
notice-contact = Se não foi você, escreva imediatamente para { $address }.

## The mail to who has an address that another user asked for

taken-subject = O seu endereço de e-mail foi indicado novamente em { $app }
taken-preheader = Nada mudou.
taken-what = Este endereço de e-mail foi indicado para outra conta de { $app }. Ele pertence à sua conta e assim permanece.
taken-next = Se foi a própria pessoa titular desta conta, escolha um endereço diferente para a outra conta.
taken-unexpected = Se não foi, não há nada a fazer. Se voltar a acontecer, entre em contato com { $app }.
taken-contact = Se não foi, não há nada a fazer. Se voltar a acontecer, escreva para { $address }.

## The page that confirms a new address

confirm-heading = Este endereço de e-mail é seu?
confirm-address = { $address } foi informado para uma conta de { $app }.
confirm-unexpected = Não esperava isto? Basta fechar esta página: nada vai acontecer.
confirmed-text = Seu endereço de e-mail está confirmado.
confirmed-before-heading = Endereço já confirmado
confirmed-before-text = Você já confirmou este endereço de e-mail. Não há mais nada a fazer.
confirm-expired-heading = Este link expirou
confirm-expired-text = Peça um novo link a { $app }.
confirm-taken-heading = Este endereço já não pode ser usado
confirm-taken-text = Ele pertence agora a outra conta de { $app }. A sua conta mantém o endereço anterior.
confirm-unknown-text = Talvez esteja incompleto ou tenha sido substituído por um mais recente. Verifique se você abriu o link completo que está no e-mail mais recente.
confirm-trouble-text = Ocorreu um erro do nosso lado. Nada se perdeu: abra o link de novo daqui a alguns minutos.
