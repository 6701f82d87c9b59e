## The language, in itself

language-name = Türkçe

## Dates

date = { $day }{"\u00A0"}{ $month } { $year }, saat{"\u00A0"}{ $time } (UTC)
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
invitation-next = Düğme, daveti kabul edebileceğiniz bir sayfa açar. Kabul ettiğinizde bu e-posta adresinin size ait olduğunu da doğrulamış olursunuz.
invitation-next-link = Daveti kabul etmek ve bu e-posta adresinin size ait olduğunu doğrulamak için şu bağlantıyı tarayıcınızda açın:
invitation-open = Daveti görüntüle
invitation-button = Daveti kabul et
link-fallback = Düğme çalışmazsa şu bağlantıyı tarayıcınıza kopyalayın:
referral-code = Davet kodu: { $code }
referral-code-note = Koda yalnızca yukarıdaki bağlantı olmadan kaydolursanız ihtiyacınız olur.
invitation-expires = Davet şu tarihe kadar geçerlidir: { $date }.
invitation-unexpected = Bu e-postayı beklemiyor muydunuz? Öyleyse dikkate almayabilirsiniz: Daveti kabul etmedikçe hiçbir şey olmaz.
sent-to = Bu e-posta şu adrese gönderildi: { $address }.
imprint = Yasal bilgiler
privacy = Gizlilik
contact = İletişim: { $app }

## Invite

invite-subject = { $app } için davetiniz
invite-subject-from = { $inviter } sizi { $app } kullanmaya davet ediyor
invite-preheader = Daveti kabul edin ve hemen başlayın.
invite-what = { $app } kullanmaya davet edildiniz.
invite-what-from = { $inviter } sizi { $app } kullanmaya davet etti.

## Referral

referral-subject = Size { $app } önerildi
referral-subject-from = { $inviter } size { $app } öneriyor
referral-preheader = Bir göz atın, yalnızca bir dakikanızı alır.
referral-what = { $app } kullanan biri, bunu sizin de beğeneceğinizi düşünüyor ve sizi davet ediyor.
referral-what-from = { $inviter }, { $app } kullanıyor ve sizi de davet ediyor.
referral-next = Düğme, daveti kabul edebileceğiniz bir sayfa açar. Kabul ettiğinizde hesabınız oluşturulur ve bu e-posta adresinin size ait olduğunu doğrulamış olursunuz.
referral-next-link = Daveti kabul etmek, hesabınızı oluşturmak ve bu e-posta adresinin size ait olduğunu doğrulamak için şu bağlantıyı tarayıcınızda açın:
referral-unexpected = Bu e-postayı beklemiyor muydunuz? Öyleyse dikkate almayabilirsiniz: Daveti kabul etmedikçe hiçbir hesap oluşturulmaz.

## The end of a referral

opt-out = { $app } kullanıcılarından artık davet almak istemiyorum
opt-out-link = { $app } kullanıcılarından artık davet almamak için şu bağlantıyı tarayıcınızda açın:

## The page behind that link

opt-out-ask-heading = Artık { $app } daveti almak istemiyor musunuz?
opt-out-ask-text = { $app } kullanıcıları artık size davet gönderemeyecek. Bu, kimseye bildirilmez.
opt-out-button = Artık davet almak istemiyorum
opt-out-done-heading = Artık davet almayacaksınız
opt-out-done-text = { $app } kullanıcıları e-posta adresinize artık davet gönderemez.
opt-out-undo = Davetlere yeniden izin ver
opt-out-undone-heading = Davetlere yeniden izin verildi
opt-out-undone-text = { $app } kullanıcıları e-posta adresinize yeniden davet gönderebilir.

## The page behind the link

open-heading = { $app } davetiniz
open-address = Bu davet şu adrese gönderildi: { $address }.
open-note = Kabul ederek bu e-posta adresinin size ait olduğunu doğrularsınız.
referral-note = Kabul ederek bir { $app } hesabı oluşturur ve bu e-posta adresinin size ait olduğunu doğrularsınız.
unexpected-page = Bu daveti beklemiyor muydunuz? Öyleyse bu sayfayı kapatmanız yeterli: Hiçbir şey olmaz.
accepted-heading = Teşekkür ederiz!
accepted-text = E-posta adresiniz { $app } için doğrulandı. Hoş geldiniz!
close-page = Artık bu sayfayı kapatabilirsiniz.
continue = { $app } sayfasına git
already-heading = Davet zaten kabul edildi
already-text = Bu { $app } davetini daha önce kabul ettiniz. Yapmanız gereken başka bir şey yok.
expired-heading = Bu davetin süresi doldu
expired-text = Aynı adrese yeni bir { $app } daveti almak için düğmeye basın.
renew = Yeni davet gönder
renewed-heading = Lütfen gelen kutunuzu kontrol edin
renewed-text = Yeni bir { $app } daveti aynı adrese gönderiliyor. Kısa süre önce gönderilmiş bir davet varsa lütfen onu kullanın.
unknown-heading = Bu bağlantı çalışmıyor
unknown-text = Bağlantı eksik olabilir veya davet geri çekilmiş olabilir. Lütfen e-postadaki bağlantının tamamını açtığınızdan emin olun veya yeni bir davet isteyin.
link-unknown-text = Bağlantı eksik olabilir. Lütfen e-postadaki bağlantının tamamını açtığınızdan emin olun.
member-heading = Zaten bir hesabınız var
member-text = Bu e-posta adresi zaten bir { $app } hesabına ait. Her zamanki gibi oturum açabilirsiniz.
trouble-heading = Lütfen birazdan tekrar deneyin
trouble-text = Bizden kaynaklanan bir sorun oluştu. Hiçbir şey kaybolmadı: Lütfen bağlantıyı birkaç dakika sonra yeniden açın.

## The mail that confirms a new address

confirmation-subject = { $app } için yeni e-posta adresinizi doğrulayın
confirmation-preheader = Yalnızca bir dakikanızı alır.
confirmation-what = Bu e-posta adresi bir { $app } hesabı için girildi.
confirmation-next = Düğme, bu e-posta adresinin size ait olduğunu doğrulayabileceğiniz bir sayfa açar.
confirmation-next-link = Bu e-posta adresinin size ait olduğunu doğrulamak için şu bağlantıyı tarayıcınızda açın:
confirmation-button = Adresi doğrula
confirmation-expires = Bağlantı şu tarihe kadar geçerlidir: { $date }.
confirmation-unexpected = Bu e-postayı beklemiyor muydunuz? Öyleyse dikkate almayabilirsiniz: Adres doğrulanmaz.

## The mail to the former address

notice-subject = { $app } hesabınızın e-posta adresi değiştirildi
notice-preheader = Bunu siz yapmadıysanız lütfen hemen bildirin.
notice-what = { $app } hesabınızda artık bu adres yerine başka bir e-posta adresi kayıtlı.
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
confirm-address = Bir { $app } hesabı için şu adres girildi: { $address }.
confirm-unexpected = Bunu beklemiyor muydunuz? Öyleyse bu sayfayı kapatmanız yeterli: Hiçbir şey olmaz.
confirmed-text = E-posta adresiniz doğrulandı.
confirmed-before-heading = Adres zaten doğrulandı
confirmed-before-text = Bu e-posta adresini daha önce doğruladınız. Yapmanız gereken başka bir şey yok.
confirm-expired-heading = Bu bağlantının süresi doldu
confirm-expired-text = Lütfen { $app } üzerinden yeni bir bağlantı isteyin.
confirm-taken-heading = Bu adres artık kullanılamıyor
confirm-taken-text = Adres artık başka bir { $app } hesabına ait. Hesabınız önceki adresini koruyor.
confirm-unknown-text = Bağlantı eksik olabilir veya yerini daha yeni bir bağlantı almış olabilir. Lütfen en yeni e-postadaki bağlantının tamamını açtığınızdan emin olun.
confirm-trouble-text = Bizden kaynaklanan bir sorun oluştu. Hiçbir şey kaybolmadı: Lütfen bağlantıyı birkaç dakika sonra yeniden açın.
