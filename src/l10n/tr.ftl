## Dates

date = { $day } { $month } { $year }, saat { $time } (UTC)
day-1 = 1
month-1 = Ocak
month-2 = Şubat
month-3 = Mart
month-4 = Nisan
month-5 = Mayıs
month-6 = Haziran
month-7 = Temmuz
month-8 = Ağustos
month-9 = Eylül
month-10 = Ekim
month-11 = Kasım
month-12 = Aralık

## Mails

greeting = Merhaba,
invitation-next = Daveti kabul etmek ve bu e-posta adresinin size ait olduğunu onaylamak için düğmeye basın.
invitation-next-link = Daveti kabul etmek ve bu e-posta adresinin size ait olduğunu onaylamak için şu adresi tarayıcınızda açın:
invitation-button = Daveti kabul et
link-fallback = Düğme çalışmazsa şu adresi tarayıcınıza kopyalayın:
referral-code = Tavsiye kodu: { $code }
invitation-expires = Davetin son geçerlilik zamanı: { $date }.
invitation-unexpected = Bu e-postayı beklemiyor muydunuz? Öyleyse dikkate almayın: Siz kabul etmedikçe hiçbir şey olmaz ve hiçbir hesap onaylanmaz.

## Invite

invite-subject = { $app } için davetiniz
invite-subject-from = { $inviter } sizi davet ediyor: { $app }
invite-preheader = E-posta adresinizi onaylayın ve hemen başlayın.
invite-what = { $app } için bir davet aldınız.
invite-what-from = { $inviter }, { $app } için size bir davet gönderdi.

## Referral

referral-subject = Size { $app } tavsiye edildi
referral-subject-from = { $inviter } size { $app } tavsiye ediyor
referral-preheader = Bir göz atın, yalnızca bir dakikanızı alır.
referral-what = { $app } kullanan biri, bunu sizin de beğeneceğinizi düşünüyor ve sizi davet ediyor.
referral-what-from = { $app } kullanan { $inviter }, bunu sizin de beğeneceğinizi düşünüyor ve sizi davet ediyor.

## The end of a referral

opt-out = { $app } kullanıcılarından bir daha asla davet almak istemiyorum
opt-out-link = { $app } kullanıcılarından bir daha asla davet almamak için şu adresi tarayıcınızda açın:

## The page behind that link

opt-out-ask-heading = Artık davet almak istemiyor musunuz: { $app }?
opt-out-ask-text = O zaman { $app } kullanıcıları size artık davet gönderemez. Bundan kimsenin haberi olmaz.
opt-out-button = Beni bir daha davet etmeyin
opt-out-done-heading = Artık davet almayacaksınız
opt-out-done-text = { $app } kullanıcıları e-posta adresinize artık davet gönderemez. Bu sayfayı kapatabilirsiniz.
opt-out-undo = Davetlere yeniden izin ver
opt-out-undone-heading = Davetlere yeniden izin verildi
opt-out-undone-text = { $app } kullanıcıları e-posta adresinize yeniden davet gönderebilir.

## The page behind the link

open-heading = { $app }: Hoş geldiniz
open-address = Bu davet şu adrese gönderildi: { $address }.
open-note = Kabul ederek bu e-posta adresinin size ait olduğunu onaylarsınız.
unexpected-page = Bu daveti beklemiyor muydunuz? Öyleyse bu sayfayı kapatmanız yeterli: Hiçbir şey olmaz.
accepted-heading = Teşekkür ederiz!
accepted-text = E-posta adresiniz onaylandı. { $app }: Aramıza hoş geldiniz! Artık bu sayfayı kapatabilirsiniz.
already-heading = Davet zaten kabul edildi
already-text = { $app } için gönderilen bu daveti daha önce kabul ettiniz. Yapmanız gereken başka bir şey yok.
expired-heading = Bu davetin süresi doldu
expired-text = { $app } için yeni bir davetin aynı adrese gönderilmesi için düğmeye basın.
renew = Yeni e-posta gönder
renewed-heading = Lütfen posta kutunuza bakın
renewed-text = Kısa süre önce gönderilmediyse, { $app } için yeni bir davet, davet edilen adrese gönderilir.
unknown-heading = Bu bağlantı çalışmıyor
unknown-text = Bağlantı eksik olabilir veya davet geri çekilmiş olabilir. Lütfen e-postadaki adresin tamamını açtığınızdan emin olun.
member-heading = Zaten bir hesabınız var
member-text = Bu e-posta adresi zaten bir { $app } hesabına ait. Her zamanki gibi oturum açabilirsiniz.
trouble-heading = Lütfen birazdan tekrar deneyin
trouble-text = Şu anda bizim tarafımızda bir aksaklık var. Davetiniz kaybolmadı.

## The mail that confirms a new address

confirmation-subject = { $app } için yeni e-posta adresinizi onaylayın
confirmation-preheader = Bir düğmeye basmanız yeterli.
confirmation-what = Bu e-posta adresi, { $app } hesabınız için girildi.
confirmation-next = Bu e-posta adresinin size ait olduğunu onaylamak için düğmeye basın.
confirmation-next-link = Bu e-posta adresinin size ait olduğunu onaylamak için şu adresi tarayıcınızda açın:
confirmation-button = Adresi onayla
confirmation-expires = Bağlantının son geçerlilik zamanı: { $date }.
confirmation-unexpected = Bu e-postayı beklemiyor muydunuz? Öyleyse dikkate almayın: Adres onaylanmamış olarak kalır.

## The mail to the former address

notice-subject = { $app } hesabınızın e-posta adresi değiştirildi
notice-preheader = Bunu siz yaptıysanız başka bir şey yapmanız gerekmez.
notice-what = { $app } hesabınızın artık başka bir e-posta adresi var. Şimdiye kadar bu adresti.
notice-next = Adresi siz değiştirdiyseniz başka bir şey yapmanız gerekmez.
notice-unexpected = Bunu siz yapmadıysanız lütfen hemen { $app } ile iletişime geçin.
notice-contact = Bunu siz yapmadıysanız lütfen hemen şu adrese yazın: { $address }.

## The mail to who has an address that another user asked for

taken-subject = E-posta adresiniz { $app } için yeniden girildi
taken-preheader = Hiçbir şey değişmedi.
taken-what = Bu e-posta adresi, başka bir { $app } hesabı için girildi. Adres sizin hesabınıza ait ve öyle kalacak.
taken-next = Bunu siz yaptıysanız lütfen diğer hesap için başka bir adres seçin.
taken-unexpected = Bunu siz yapmadıysanız bir şey yapmanız gerekmez. Tekrarlanırsa lütfen { $app } ile iletişime geçin.
taken-contact = Bunu siz yapmadıysanız bir şey yapmanız gerekmez. Tekrarlanırsa lütfen şu adrese yazın: { $address }.

## The page that confirms a new address

confirm-heading = Bu e-posta adresi sizin mi?
confirm-address = { $app } hesabınız için şu adres girildi: { $address }.
confirm-unexpected = Bunu beklemiyor muydunuz? Öyleyse bu sayfayı kapatmanız yeterli: Hiçbir şey olmaz.
confirmed-text = E-posta adresiniz onaylandı. Artık bu sayfayı kapatabilirsiniz.
confirmed-before-heading = Adres zaten onaylandı
confirmed-before-text = Bu e-posta adresini daha önce onayladınız. Yapmanız gereken başka bir şey yok.
confirm-expired-heading = Bu bağlantının süresi doldu
confirm-expired-text = Lütfen { $app } üzerinden yeni bir bağlantı isteyin.
confirm-taken-heading = Bu adres artık kullanılamıyor
confirm-taken-text = Adres artık başka bir { $app } hesabına ait. Hesabınız önceki adresini koruyor.
confirm-unknown-text = Bağlantı eksik olabilir veya yerini daha yeni bir bağlantı ya da başka bir adres almış olabilir. Lütfen en yeni e-postadaki adresin tamamını açtığınızdan emin olun.
confirm-trouble-text = Şu anda bizim tarafımızda bir aksaklık var. Bağlantınız kaybolmadı.
