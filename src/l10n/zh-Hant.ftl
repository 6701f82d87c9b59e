## The language, in itself

language-name = 繁體中文

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

greeting = 您好！
invitation-next = 按下按鈕後，您可以在開啟的頁面中接受邀請。接受邀請的同時，即確認此電子郵件地址為您所有。
invitation-next-link = 若要接受邀請並確認此電子郵件地址為您所有，請在瀏覽器中開啟以下連結：
invitation-open = 檢視邀請
invitation-button = 接受邀請
link-fallback = 如果按鈕無法使用，請將以下連結複製到瀏覽器中開啟：
referral-code = 推薦碼：{ $code }
referral-code-note = 只有在不透過上方連結註冊時才需要此推薦碼。
invitation-expires = 邀請有效期限為 { $date }。
invitation-unexpected = 如果您不清楚為何收到這封郵件，請直接忽略。只要您未接受邀請，就不會有任何影響。
sent-to = 此郵件已寄至 { $address }。
imprint = 法律資訊
privacy = 隱私權
contact = 聯絡 { $app }

## Invite

invite-subject = 邀請您加入 { $app }
invite-subject-from = { $inviter } 邀請您加入 { $app }
invite-preheader = 接受邀請，即可開始使用。
invite-what = 您已受邀加入 { $app }。
invite-what-from = { $inviter } 邀請您加入 { $app }。

## Referral

referral-subject = 有人向您推薦 { $app }
referral-subject-from = { $inviter } 向您推薦 { $app }
referral-preheader = 只需片刻，歡迎來看看。
referral-what = 一位 { $app } 使用者認為您也會喜歡，特此邀請您加入。
referral-what-from = { $inviter } 正在使用 { $app }，認為您也會喜歡，特此邀請您加入。
referral-next = 按下按鈕後，您可以在開啟的頁面中接受邀請。接受後，系統將為您建立帳戶，並確認此電子郵件地址為您所有。
referral-next-link = 若要接受邀請、建立帳戶並確認此電子郵件地址為您所有，請在瀏覽器中開啟以下連結：
referral-unexpected = 如果您不清楚為何收到這封郵件，請直接忽略。只要您未接受邀請，就不會建立任何帳戶。

## The end of a referral

opt-out = 不再接收 { $app } 使用者的邀請
opt-out-link = 若不想再接收 { $app } 使用者的邀請，請在瀏覽器中開啟以下連結：

## The page behind that link

opt-out-ask-heading = 不再接收 { $app } 的邀請？
opt-out-ask-text = 此後 { $app } 的使用者將無法再向您寄送邀請。我們不會通知任何人。
opt-out-button = 不再接收邀請
opt-out-done-heading = 您將不再收到邀請
opt-out-done-text = { $app } 的使用者已無法再向您的電子郵件地址寄送邀請。
opt-out-undo = 重新允許邀請
opt-out-undone-heading = 已重新允許邀請
opt-out-undone-text = { $app } 的使用者可以重新向您的電子郵件地址寄送邀請。

## The page behind the link

open-heading = 邀請您加入 { $app }
open-address = 此邀請已寄至 { $address }。
open-note = 接受邀請即表示您確認此電子郵件地址為您所有。
referral-note = 接受邀請即表示建立您的 { $app } 帳戶，並確認此電子郵件地址為您所有。
unexpected-page = 如果您不清楚為何收到此邀請，關閉本頁面即可，不會有任何影響。
accepted-heading = 謝謝您！
accepted-text = 您的電子郵件地址已確認。歡迎加入 { $app }！
close-page = 您現在可以關閉本頁面。
continue = 前往 { $app }
already-heading = 您已接受過此邀請
already-text = 您先前已接受加入 { $app } 的邀請，無須再進行任何操作。
expired-heading = 此邀請已過期
expired-text = 按下按鈕，我們會將加入 { $app } 的新邀請寄至同一地址。
renew = 重新寄送邀請
renewed-heading = 請查看您的信箱
renewed-text = 加入 { $app } 的新邀請將寄至同一地址。如果剛剛已寄出，請使用已收到的那一封。
unknown-heading = 此連結無效
unknown-text = 連結可能不完整，或者邀請已撤回。請檢查您開啟的是否為郵件中的完整連結，或請對方重新邀請您。
link-unknown-text = 連結可能不完整。請檢查您開啟的是否為郵件中的完整連結。
member-heading = 您已有帳戶
member-text = 此電子郵件地址已註冊 { $app } 帳戶，請直接登入。
trouble-heading = 請稍後再試
trouble-text = 系統暫時發生問題。您的邀請不會遺失，請過幾分鐘再開啟連結。

## The mail that confirms a new address

confirmation-subject = 請確認您在 { $app } 的新電子郵件地址
confirmation-preheader = 只需片刻即可完成。
confirmation-what = 有人在 { $app } 帳戶中填寫了此電子郵件地址。
confirmation-next = 按下按鈕後，您可以在開啟的頁面中確認此電子郵件地址為您所有。
confirmation-next-link = 若要確認此電子郵件地址為您所有，請在瀏覽器中開啟以下連結：
confirmation-button = 確認電子郵件地址
confirmation-expires = 連結有效期限為 { $date }。
confirmation-unexpected = 如果您不清楚為何收到這封郵件，請直接忽略。該地址不會被確認。

## The mail to the former address

notice-subject = 您的 { $app } 帳戶的電子郵件地址已變更
notice-preheader = 如果不是您本人操作，請立即與我們聯絡。
notice-what = 您的 { $app } 帳戶已改用另一個電子郵件地址，不再使用此地址。
notice-next = 如果是您本人變更的，則無須採取任何動作。
notice-unexpected = 如果不是您本人操作，請立即聯絡 { $app }。
notice-contact = 如果不是您本人操作，請立即寄電子郵件至 { $address }。

## The mail to who has an address that another user asked for

taken-subject = 您的電子郵件地址在 { $app } 再次被填寫
taken-preheader = 沒有任何變更。
taken-what = 有人為 { $app } 的另一個帳戶填寫了此電子郵件地址。此地址屬於您的帳戶，並將維持不變。
taken-next = 如果是您本人操作，請為另一個帳戶選擇其他地址。
taken-unexpected = 如果不是您本人操作，則無須做任何事。如果再次發生，請聯絡 { $app }。
taken-contact = 如果不是您本人操作，則無須做任何事。如果再次發生，請寫信至 { $address }。

## The page that confirms a new address

confirm-heading = 這是您的電子郵件地址嗎？
confirm-address = 有人在 { $app } 帳戶中填寫了 { $address }。
confirm-unexpected = 如果您不清楚這是怎麼回事，關閉本頁面即可，不會有任何影響。
confirmed-text = 您的電子郵件地址已確認。
confirmed-before-heading = 地址已確認
confirmed-before-text = 您先前已確認此電子郵件地址，無須再進行任何操作。
confirm-expired-heading = 此連結已過期
confirm-expired-text = 請在 { $app } 中重新取得連結。
confirm-taken-heading = 此地址已無法使用
confirm-taken-text = 此地址現已屬於 { $app } 的另一個帳戶。您的帳戶保留原本的地址。
confirm-unknown-text = 連結可能不完整，或者已由較新的連結取代。請檢查您開啟的是否為最新郵件中的完整連結。
confirm-trouble-text = 系統暫時發生問題。您的連結不會遺失，請過幾分鐘再開啟。
