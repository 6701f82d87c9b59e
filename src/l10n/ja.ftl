## Dates

date = { $year }年{ $month }{ $day }日 { $time }（UTC）
day-1 = 1
month-1 = 1月
month-2 = 2月
month-3 = 3月
month-4 = 4月
month-5 = 5月
month-6 = 6月
month-7 = 7月
month-8 = 8月
month-9 = 9月
month-10 = 10月
month-11 = 11月
month-12 = 12月

## Mails

greeting = こんにちは。
invitation-next = 下のボタンを押すと、招待を承諾し、このメールアドレスがご本人のものであることを確認できます。
invitation-next-link = 招待を承諾し、このメールアドレスがご本人のものであることを確認するには、次のアドレスをブラウザーで開いてください。
invitation-button = 招待を承諾する
link-fallback = ボタンが機能しない場合は、次のアドレスをブラウザーにコピーしてください。
referral-code = 紹介コード：{ $code }
invitation-expires = この招待の有効期限は{ $date }です。
invitation-unexpected = このメールにお心当たりのない場合は、そのまま破棄してください。承諾されない限り、何も起こらず、アカウントが確認されることもありません。

## Invite

invite-subject = { $app }への招待のお知らせ
invite-subject-from = { $inviter }さんから{ $app }への招待が届いています
invite-preheader = メールアドレスを確認して、ご利用を始めましょう。
invite-what = { $app }への招待が届いています。
invite-what-from = { $inviter }さんから{ $app }への招待が届いています。

## Referral

referral-subject = { $app }のご紹介
referral-subject-from = { $inviter }さんが{ $app }をおすすめしています
referral-preheader = お手続きはすぐに終わります。ぜひご覧ください。
referral-what = { $app }をご利用中の方が、きっと気に入っていただけると考え、あなたを招待しています。
referral-what-from = { $app }をご利用中の{ $inviter }さんが、きっと気に入っていただけると考え、あなたを招待しています。

## The end of a referral

opt-out = { $app }の利用者からの招待を今後受け取らない
opt-out-link = { $app }の利用者からの招待を今後受け取らないようにするには、次のアドレスをブラウザーで開いてください。

## The page behind that link

opt-out-ask-heading = { $app }への招待を停止しますか？
opt-out-ask-text = { $app }の利用者は、今後あなたに招待を送信できなくなります。このことは誰にも通知されません。
opt-out-button = 今後招待を受け取らない
opt-out-done-heading = 今後、招待は届きません
opt-out-done-text = { $app }の利用者は、あなたのメールアドレスに招待を送信できなくなりました。このページは閉じていただいてかまいません。
opt-out-undo = 招待を再び許可する
opt-out-undone-heading = 招待が再び許可されました
opt-out-undone-text = { $app }の利用者は、あなたのメールアドレスに再び招待を送信できます。

## The page behind the link

open-heading = { $app }へようこそ
open-address = この招待は{ $address }宛てに送信されました。
open-note = 承諾すると、このメールアドレスがご本人のものであることを確認したことになります。
unexpected-page = この招待にお心当たりのない場合は、このページを閉じてください。何も起こりません。
accepted-heading = ありがとうございます
accepted-text = メールアドレスが確認されました。{ $app }へようこそ。このページは閉じていただいてかまいません。
already-heading = すでに承諾済みです
already-text = この{ $app }への招待は、すでに承諾されています。これ以上のお手続きは必要ありません。
expired-heading = この招待は有効期限が切れています
expired-text = 下のボタンを押すと、{ $app }への新しい招待が同じアドレス宛てに送信されます。
renew = 新しいメールを送信
renewed-heading = メールボックスをご確認ください
renewed-text = { $app }への新しい招待を、招待されたアドレス宛てに送信します。直前に送信済みの場合は送信されません。
unknown-heading = このリンクは無効です
unknown-text = リンクが途中で切れているか、招待が取り消された可能性があります。メールに記載されたアドレス全体を開いているかご確認ください。
member-heading = すでにアカウントをお持ちです
member-text = このメールアドレスは、すでに{ $app }のアカウントに登録されています。いつもどおりログインしてください。
trouble-heading = しばらくしてからもう一度お試しください
trouble-text = 現在、こちら側で問題が発生しています。招待が失われることはありません。

## The mail that confirms a new address

confirmation-subject = { $app }の新しいメールアドレスをご確認ください
confirmation-preheader = ボタンを押すだけで完了します。
confirmation-what = このメールアドレスが、{ $app }のあなたのアカウントに登録されました。
confirmation-next = このメールアドレスがご本人のものであることを確認するには、下のボタンを押してください。
confirmation-next-link = このメールアドレスがご本人のものであることを確認するには、次のアドレスをブラウザーで開いてください。
confirmation-button = メールアドレスを確認する
confirmation-expires = このリンクの有効期限は{ $date }です。
confirmation-unexpected = このメールにお心当たりのない場合は、そのまま破棄してください。メールアドレスは未確認のままになります。

## The mail to the former address

notice-subject = { $app }のメールアドレスが変更されました
notice-preheader = ご本人による変更の場合、お手続きは必要ありません。
notice-what = { $app }のあなたのアカウントのメールアドレスが、このアドレスから別のアドレスに変更されました。
notice-next = ご本人による変更の場合、これ以上のお手続きは必要ありません。
notice-unexpected = お心当たりのない場合は、すぐに{ $app }までご連絡ください。
notice-contact = お心当たりのない場合は、すぐに{ $address }までご連絡ください。

## The mail to who has an address that another user asked for

taken-subject = { $app }でメールアドレスが再度入力されました
taken-preheader = 変更された内容はありません。
taken-what = このメールアドレスが、{ $app }の別のアカウント用に入力されました。このアドレスは引き続きあなたのアカウントに登録されています。
taken-next = ご本人による入力の場合は、もう一方のアカウントには別のアドレスをお選びください。
taken-unexpected = お心当たりのない場合、お手続きは必要ありません。繰り返し届く場合は、{ $app }までご連絡ください。
taken-contact = お心当たりのない場合、お手続きは必要ありません。繰り返し届く場合は、{ $address }までご連絡ください。

## The page that confirms a new address

confirm-heading = こちらはご本人のメールアドレスですか？
confirm-address = { $address }が、{ $app }のあなたのアカウントに登録されました。
confirm-unexpected = お心当たりのない場合は、このページを閉じてください。何も起こりません。
confirmed-text = メールアドレスが確認されました。このページは閉じていただいてかまいません。
confirmed-before-heading = すでに確認済みです
confirmed-before-text = このメールアドレスは、すでに確認されています。これ以上のお手続きは必要ありません。
confirm-expired-heading = このリンクは有効期限が切れています
confirm-expired-text = { $app }に新しいリンクを依頼してください。
confirm-taken-heading = このアドレスはご利用いただけなくなりました
confirm-taken-text = このアドレスは現在、{ $app }の別のアカウントに登録されています。あなたのアカウントのアドレスはこれまでと変わりません。
confirm-unknown-text = リンクが途中で切れているか、新しいリンクまたは別のアドレスに置き換えられた可能性があります。最新のメールに記載されたアドレス全体を開いているかご確認ください。
confirm-trouble-text = 現在、こちら側で問題が発生しています。リンクが失われることはありません。
