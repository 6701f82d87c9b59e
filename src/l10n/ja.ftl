## The language, in itself

language-name = 日本語

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
invitation-next = ボタンを押すと、招待を承諾できるページが開きます。承諾すると、このメールアドレスの確認も完了します。
invitation-next-link = 招待を承諾し、メールアドレスの確認を完了するには、次のリンクをブラウザーで開いてください。
invitation-open = 招待を見る
invitation-button = 招待を承諾する
link-fallback = ボタンが機能しない場合は、次のリンクをコピーしてブラウザーで開いてください。
referral-code = 紹介コード：{ $code }
referral-code-note = 上のリンクを使わずに登録する場合にのみ必要です。
invitation-expires = この招待の有効期限は{ $date }です。
invitation-unexpected = このメールにお心当たりのない場合は、破棄していただいて問題ありません。招待を承諾しない限り、何も行われません。
sent-to = このメールは{ $address }宛てに送信されました。
imprint = 運営者情報
privacy = プライバシー
contact = { $app }に問い合わせる

## Invite

invite-subject = { $app }への招待が届いています
invite-subject-from = { $inviter }さんから{ $app }への招待が届いています
invite-preheader = 招待を承諾して、ご利用を始めましょう。
invite-what = { $app }への招待が届いています。
invite-what-from = { $inviter }さんから{ $app }への招待が届いています。

## Referral

referral-subject = { $app }の利用者から招待が届いています
referral-subject-from = { $inviter }さんが{ $app }をおすすめしています
referral-preheader = お気軽にご覧いただき、気に入りましたらぜひご利用ください。
referral-what = { $app }をご利用中の方から、招待が届いています。
referral-what-from = { $app }をご利用中の{ $inviter }さんから、招待が届いています。
referral-next = ボタンを押すと、招待を承諾できるページが開きます。承諾すると、アカウントが作成され、このメールアドレスの確認も完了します。
referral-next-link = 招待を承諾してアカウントを作成し、メールアドレスの確認を完了するには、次のリンクをブラウザーで開いてください。
referral-unexpected = このメールにお心当たりのない場合は、破棄していただいて問題ありません。招待を承諾しない限り、アカウントは作成されません。

## The end of a referral

opt-out = { $app }の利用者からの招待を今後受け取らない
opt-out-link = { $app }の利用者からの招待を今後受け取らないようにするには、次のリンクをブラウザーで開いてください。

## The page behind that link

opt-out-ask-heading = 今後、{ $app }への招待を受け取らないようにしますか？
opt-out-ask-text = { $app }の利用者からの招待は、今後届かなくなります。このことは誰にも通知されません。
opt-out-button = 今後招待を受け取らない
opt-out-done-heading = 今後、招待は届きません
opt-out-done-text = { $app }の利用者からの招待は、このメールアドレスには届かなくなりました。
opt-out-undo = 招待を再び許可する
opt-out-undone-heading = 招待が再び許可されました
opt-out-undone-text = { $app }の利用者からの招待が、このメールアドレスに再び届くようになりました。

## The page behind the link

open-heading = { $app }への招待
open-address = この招待は{ $address }宛てに送信されました。
open-note = 承諾すると、このメールアドレスの確認が完了します。
referral-note = 承諾すると、{ $app }のアカウントが作成され、このメールアドレスの確認が完了します。
unexpected-page = この招待にお心当たりのない場合は、このページを閉じてください。何も起こりません。
accepted-heading = ありがとうございます
accepted-text = メールアドレスの確認が完了しました。{ $app }へようこそ。
close-page = このページは閉じていただいてかまいません。
continue = { $app }へ進む
already-heading = すでに承諾済みです
already-text = この{ $app }への招待は、すでに承諾されています。これ以上のお手続きは必要ありません。
expired-heading = この招待は有効期限が切れています
expired-text = 下のボタンを押すと、{ $app }への新しい招待を同じアドレス宛てにお送りします。
renew = 招待メールを再送信
renewed-heading = メールをご確認ください
renewed-text = { $app }への新しい招待を、同じアドレス宛てにお送りします。直前にお送りしている場合は、そちらのメールをご利用ください。
unknown-heading = このリンクは無効です
unknown-text = リンクが途中で切れているか、招待が取り消された可能性があります。メールに記載されたリンク全体を開いているかご確認いただくか、新しい招待をご依頼ください。
link-unknown-text = リンクが途中で切れている可能性があります。メールに記載されたリンク全体を開いているかご確認ください。
member-heading = すでにアカウントをお持ちです
member-text = このメールアドレスは、すでに{ $app }のアカウントに登録されています。いつもどおりログインしてください。
trouble-heading = しばらくしてからもう一度お試しください
trouble-text = 現在、システムに問題が発生しています。リンクは引き続きお使いいただけますので、数分後にもう一度開いてください。

## The mail that confirms a new address

confirmation-subject = { $app }：新しいメールアドレスの確認をお願いします
confirmation-preheader = すぐに完了します。
confirmation-what = { $app }のアカウント用に、このメールアドレスが入力されました。
confirmation-next = ボタンを押すと、このメールアドレスがご自身のものであることを確認するページが開きます。
confirmation-next-link = このメールアドレスがご自身のものであることを確認するには、次のリンクをブラウザーで開いてください。
confirmation-button = メールアドレスを確認する
confirmation-expires = このリンクの有効期限は{ $date }です。
confirmation-unexpected = このメールにお心当たりのない場合は、破棄していただいて問題ありません。メールアドレスの確認は行われません。

## The mail to the former address

notice-subject = { $app }アカウントのメールアドレスが変更されました
notice-preheader = お心当たりのない場合は、すぐにご連絡ください。
notice-what = { $app }アカウントのメールアドレスが、このアドレスから別のアドレスに変更されました。
notice-next = お客様ご自身による変更の場合、お手続きは必要ありません。
notice-unexpected = お心当たりのない場合は、すぐに{ $app }までご連絡ください。
notice-contact = お心当たりのない場合は、すぐに{ $address }までご連絡ください。

## The mail to who has an address that another user asked for

taken-subject = お使いのメールアドレスが{ $app }で再度入力されました
taken-preheader = 変更された内容はありません。
taken-what = このメールアドレスが、{ $app }の別のアカウント用に入力されました。このアドレスは引き続きお客様のアカウントに登録されています。
taken-next = ご本人による入力の場合は、もう一方のアカウントには別のアドレスをお選びください。
taken-unexpected = お心当たりのない場合、お手続きは必要ありません。同様のメールが再び届いた場合は、{ $app }までご連絡ください。
taken-contact = お心当たりのない場合、お手続きは必要ありません。同様のメールが再び届いた場合は、{ $address }までご連絡ください。

## The page that confirms a new address

confirm-heading = このメールアドレスはお使いのものですか？
confirm-address = { $app }のアカウント用に、{ $address }が入力されました。
confirm-unexpected = お心当たりのない場合は、このページを閉じてください。何も起こりません。
confirmed-text = メールアドレスの確認が完了しました。
confirmed-before-heading = すでに確認済みです
confirmed-before-text = このメールアドレスは、すでに確認されています。これ以上のお手続きは必要ありません。
confirm-expired-heading = このリンクは有効期限が切れています
confirm-expired-text = { $app }で新しいリンクの送信をご依頼ください。
confirm-taken-heading = このアドレスはご利用いただけなくなりました
confirm-taken-text = このアドレスは現在、{ $app }の別のアカウントに登録されています。お客様のアカウントのアドレスはこれまでと変わりません。
confirm-unknown-text = リンクが途中で切れているか、新しいリンクに置き換えられた可能性があります。最新のメールに記載されたリンク全体を開いているかご確認ください。
confirm-trouble-text = 現在、システムに問題が発生しています。リンクは引き続きお使いいただけますので、数分後にもう一度開いてください。
